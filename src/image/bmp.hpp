#pragma once

#include <string>

#include "image/formats.hpp"

/// Windows and OS/2 bitmaps.
namespace pixelclip::formats {

Image decode_bmp(Bytes bytes, const std::string& name, const DecodeOptions& options);
LabelMap decode_bmp_labels(Bytes bytes, const std::string& name);

}  // namespace pixelclip::formats
