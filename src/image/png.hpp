#pragma once

#include "image/formats.hpp"

namespace pixelclip::formats {

bool is_png(Bytes bytes);

/// Size as stored, without the EXIF orientation. Errors: more than options.max_pixels.
ImageInfo probe_png(Bytes bytes, const std::string& name, const DecodeOptions& options);
Image decode_png(Bytes bytes, const std::string& name, const DecodeOptions& options);
LabelMap decode_png_labels(Bytes bytes, const std::string& name);

}  // namespace pixelclip::formats
