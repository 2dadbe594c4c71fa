#pragma once

#include "image/formats.hpp"

/// Formats other than JPEG and PNG: the file's first bytes say which.
namespace pixelclip::formats {

int other_orientation(Bytes bytes);
Image decode_other(Bytes bytes, const std::string& name, const DecodeOptions& options);
LabelMap decode_other_labels(Bytes bytes, const std::string& name);

}  // namespace pixelclip::formats
