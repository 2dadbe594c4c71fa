#pragma once

#include <string>

#include "image/formats.hpp"

/// WebP, through libwebp.
namespace pixelclip::formats {

Image decode_webp(Bytes bytes, const std::string& name, const DecodeOptions& options);

}  // namespace pixelclip::formats
