#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "image/codec.hpp"

/// What the readers of the image formats share. Each format has its own file; codec.cpp chooses
/// one and applies the EXIF orientation.
namespace pixelclip::formats {

using Bytes = std::span<const uint8_t>;

/// Errors: height × width is empty or above the limit.
void check_size(int64_t height, int64_t width, const std::string& name, int64_t max_pixels);

/// Adds a doubt about an image's values to options.remarks, or logs it if that is null.
void remark(const DecodeOptions& options, const std::string& text);
/// Remarks on a 16-bit image that uses only small values; `rgb` has the upper eight bits.
void remark_dark_16_bits(const Image& rgb, const std::string& name, const DecodeOptions& options);

}  // namespace pixelclip::formats
