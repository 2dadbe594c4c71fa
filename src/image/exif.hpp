#pragma once

#include <cstddef>

#include "image/formats.hpp"

namespace pixelclip::formats {

/// EXIF orientation (1 to 8) of a JPEG file, of a WebP file, or of the TIFF structure that EXIF
/// data consists of; 1 if there is none or it is damaged.
int jpeg_orientation(Bytes bytes);
int webp_orientation(Bytes bytes);
int exif_orientation(Bytes tiff);

/// What the first directory of a TIFF file says about the pixels.
struct TiffLayout {
  int orientation = 1;
  size_t orientation_at = 0;  ///< offset of its two-byte value; 0: none
  int samples = 1, bits = 1;  ///< samples per pixel; bits of the first sample
  bool fractions = false;     ///< floating-point samples
};
bool is_tiff(Bytes bytes);
TiffLayout tiff_layout(Bytes bytes);

}  // namespace pixelclip::formats
