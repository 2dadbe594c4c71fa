#pragma once

#include <string>

#include "image/formats.hpp"

/// TIFF, through libtiff.
namespace pixelclip::formats {

Image decode_tiff(Bytes bytes, const std::string& name, const DecodeOptions& options);
LabelMap decode_tiff_labels(Bytes bytes, const std::string& name);

}  // namespace pixelclip::formats
