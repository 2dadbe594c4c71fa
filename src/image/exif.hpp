#pragma once

#include "image/formats.hpp"

namespace pixelclip::formats {

/// EXIF orientation (1 to 8) of a JPEG file, of a WebP file, or of the TIFF structure that EXIF
/// data consists of; 1 if there is none or it is damaged.
int jpeg_orientation(Bytes bytes);
int webp_orientation(Bytes bytes);
int exif_orientation(Bytes tiff);

bool is_tiff(Bytes bytes);

}  // namespace pixelclip::formats
