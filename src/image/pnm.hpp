#pragma once

#include <string>

#include "image/formats.hpp"

/// Netpbm's files, P1 to P6.
namespace pixelclip::formats {

Image decode_pnm(Bytes bytes, const std::string& name, const DecodeOptions& options);
LabelMap decode_pnm_labels(Bytes bytes, const std::string& name);

}  // namespace pixelclip::formats
