#pragma once

#include "image/formats.hpp"

namespace pixelclip::formats {

bool is_jpeg(Bytes bytes);

/// Size as stored, without the EXIF orientation. Errors: more than options.max_pixels.
ImageInfo probe_jpeg(Bytes bytes, const std::string& name, const DecodeOptions& options);

/// As decode_rgb_region; `wanted` is in scaled coordinates of the stored image.
void decode_jpeg(Bytes bytes, const std::string& name, const Rect& wanted,
                 const DecodeOptions& options, ImageRegion& out);

}  // namespace pixelclip::formats
