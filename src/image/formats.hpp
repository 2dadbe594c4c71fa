#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "image/codec.hpp"

/// One file a format; codec.cpp chooses. `oriented` pictures are turned by the caller.
namespace pixelclip::formats {

using Bytes = std::span<const uint8_t>;

bool is_jpeg(Bytes bytes);
bool is_png(Bytes bytes);

/// As stored, before any turning; fails above options.max_pixels.
ImageInfo probe_jpeg(Bytes bytes, const std::string& name, const DecodeOptions& options);
ImageInfo probe_png(Bytes bytes, const std::string& name, const DecodeOptions& options);

/// `wanted` is in scaled, unturned coordinates.
void decode_jpeg(Bytes bytes, const std::string& name, const Rect& wanted,
                 const DecodeOptions& options, ImageRegion& out);
Image decode_png(Bytes bytes, const std::string& name, const DecodeOptions& options);
LabelMap decode_png_labels(Bytes bytes, const std::string& name);

/// Everything else, through OpenCV.
int other_orientation(Bytes bytes);
Image decode_other(Bytes bytes, const std::string& name, const DecodeOptions& options);
LabelMap decode_other_labels(Bytes bytes, const std::string& name);

/// EXIF's orientation (1 to 8) of a JPEG file, or of the TIFF structure that EXIF consists of; 1
/// when there is none or it is damaged.
int jpeg_orientation(Bytes bytes);
int exif_orientation(Bytes tiff);

/// What the first directory of a TIFF file says, as far as it matters here.
struct TiffLayout {
  int orientation = 1;
  size_t orientation_at = 0;  ///< Where its value stands (two bytes); 0: nowhere.
  int samples = 1, bits = 1;  ///< A pixel's samples; bits of the first.
  bool fractions = false;     ///< Floating-point samples.
};
bool is_tiff(Bytes bytes);
TiffLayout tiff_layout(Bytes bytes);

/// Of the EXIF chunk of a WebP file, 1 without one.
int webp_orientation(Bytes bytes);

/// Gives a doubt about a picture to options.remarks or to the log.
void remark(const DecodeOptions& options, const std::string& text);
/// The same where a picture of 16 bits holds only small values; `rgb` has the upper eight bits.
void remark_dark_16_bits(const Image& rgb, const std::string& name, const DecodeOptions& options);

/// Fails when height × width is empty or above the limit.
void check_size(int64_t height, int64_t width, const std::string& name, int64_t max_pixels);

}  // namespace pixelclip::formats
