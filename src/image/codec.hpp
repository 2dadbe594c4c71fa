#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "image/image.hpp"

/// Decodes and encodes image files in memory. Damaged, truncated, empty or too large files are
/// errors that begin with `name`.
namespace pixelclip {

struct DecodeOptions {
  /// Apply the EXIF orientation.
  bool orient = true;
  /// Decode at 1/1, 1/2, 1/4 or 1/8 of the size (rounded up). Only for JPEG.
  int scale = 1;
  /// Larger images are rejected before memory is allocated.
  int64_t max_pixels = 178956970;  // Pillow's limit
  /// Receives remarks about suspicious pixel values; null: the first few are logged.
  std::vector<std::string>* remarks = nullptr;
};

struct ImageInfo {
  /// The size after the orientation is applied, when DecodeOptions::orient was set.
  int64_t height = 0, width = 0;
  /// EXIF's orientation, 1 to 8; 1 is upright.
  int orientation = 1;
  bool jpeg = false;
};

/// Reads the header only for JPEG and PNG; other formats are decoded.
ImageInfo probe(std::span<const uint8_t> bytes, const std::string& name,
                const DecodeOptions& options = {});

/// RGB as from Pillow's `convert("RGB")`: gray is repeated, CMYK converted, alpha dropped, palettes
/// looked up, 16 bits cut to 8, fractions up to 1 taken as shares of 255, other fractions clipped
/// to 0 … 255. A JPEG is bit for bit what Pillow decodes (accurate integer DCT, smooth chroma
/// upsampling).
Image decode_rgb(std::span<const uint8_t> bytes, const std::string& name,
                 const DecodeOptions& options = {});

/// Decodes at least the pixels `wanted` (clipped to the image), in coordinates of the oriented and
/// scaled image, into `out`, whose rect may be larger and whose memory is reused. Inside `wanted`
/// the pixels equal those of decode_rgb. A JPEG's rows below `wanted` are not read, so damage there
/// goes unnoticed. Truncation is detected: a JPEG without end marker is an error unless all its
/// rows are present. An empty `wanted` means the whole image.
void decode_rgb_region(std::span<const uint8_t> bytes, const std::string& name, const Rect& wanted,
                       const DecodeOptions& options, ImageRegion& out);

/// The same in a new image with exactly the pixels `wanted`, which must lie inside the image.
Image decode_rgb_cropped(std::span<const uint8_t> bytes, const std::string& name,
                         const Rect& wanted, const DecodeOptions& options = {});

/// The largest decoding scale (1, 2, 4 or 8) that leaves at least `target` of `size` pixels.
int decode_scale(int64_t size, int64_t target);
/// The size after decoding at `scale`.
inline int64_t scaled_size(int64_t size, int scale) { return (size + scale - 1) / scale; }

/// Ids as stored in the file: gray values of up to 16 bits, or palette indices (never colors). The
/// EXIF orientation is ignored. Errors: colors, alpha beside colors.
LabelMap decode_labels(std::span<const uint8_t> bytes, const std::string& name);

Image read_rgb(const std::filesystem::path& path, const DecodeOptions& options = {});
LabelMap read_labels(const std::filesystem::path& path);

/// 4:2:0 baseline for RGB, as Pillow writes it; `quality` 1 to 100.
std::vector<uint8_t> encode_jpeg(const Image& image, int quality = 95);
std::vector<uint8_t> encode_png(const Image& image);
/// Eight bits where all ids fit in 0–255, else sixteen. Errors: ids below 0 or above 65535.
std::vector<uint8_t> encode_label_png(const LabelMap& labels);

/// The three below write atomically.
void write_jpeg(const std::filesystem::path& path, const Image& image, int quality = 95);
void write_png(const std::filesystem::path& path, const Image& image);
void write_label_png(const std::filesystem::path& path, const LabelMap& labels);

}  // namespace pixelclip
