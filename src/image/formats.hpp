#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "pixelclip/image/codec.hpp"

/// One file a format; codec.cpp chooses. `oriented` pictures are turned by the caller.
namespace pixelclip::formats {

using Bytes = std::span<const uint8_t>;

bool is_jpeg(Bytes bytes);
bool is_png(Bytes bytes);

/// As stored, before any turning; fails above options.max_pixels.
ImageInfo probe_jpeg(Bytes bytes, const std::string& name, const DecodeOptions& options);
ImageInfo probe_png(Bytes bytes, const std::string& name, const DecodeOptions& options);

/// `wanted` is in scaled, unturned coordinates.
void decode_jpeg(Bytes bytes, const std::string& name, const Rect& wanted,
                 const DecodeOptions& options, ImageRegion& out);
Image decode_png(Bytes bytes, const std::string& name, const DecodeOptions& options);
LabelMap decode_png_labels(Bytes bytes, const std::string& name);

/// Everything else, through OpenCV; upright where the format knows an orientation.
Image decode_other(Bytes bytes, const std::string& name, const DecodeOptions& options);
LabelMap decode_other_labels(Bytes bytes, const std::string& name);

/// EXIF's orientation (1 to 8) of a JPEG file, or of the TIFF structure that EXIF consists of; 1
/// when there is none or it is damaged.
int jpeg_orientation(Bytes bytes);
int exif_orientation(Bytes tiff);

/// Fails when height × width is empty or above the limit.
void check_size(int64_t height, int64_t width, const std::string& name, int64_t max_pixels);

}  // namespace pixelclip::formats
