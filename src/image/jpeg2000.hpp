#pragma once

#include <string>

#include "image/formats.hpp"

/// JPEG 2000 (.jp2), through OpenJPEG.
namespace pixelclip::formats {

Image decode_jpeg2000(Bytes bytes, const std::string& name, const DecodeOptions& options);
LabelMap decode_jpeg2000_labels(Bytes bytes, const std::string& name);

}  // namespace pixelclip::formats
