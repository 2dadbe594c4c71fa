#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace pixelclip {

/// A rectangle in pixels; the first row and column are 0.
struct Rect {
  int64_t x = 0, y = 0, width = 0, height = 0;

  bool empty() const { return width <= 0 || height <= 0; }
  bool operator==(const Rect&) const = default;
};

/// Eight-bit pixels, row by row, channels interleaved: 3 (RGB) or 1 (grey).
struct Image {
  int64_t height = 0, width = 0, channels = 0;
  std::vector<uint8_t> pixels;

  Image() = default;
  Image(int64_t h, int64_t w, int64_t c) { reshape(h, w, c); }

  /// Changes the size and keeps the memory; the pixels' values are undefined afterwards.
  void reshape(int64_t h, int64_t w, int64_t c) {
    height = h, width = w, channels = c;
    pixels.resize(static_cast<size_t>(h * w * c));
  }
  int64_t stride() const { return width * channels; }
  uint8_t* row(int64_t y) { return pixels.data() + y * stride(); }
  const uint8_t* row(int64_t y) const { return pixels.data() + y * stride(); }
};

/// Errors: `crop` is empty or not inside an image of height × width; `where` begins the message.
void check_crop(const Rect& crop, int64_t height, int64_t width, const std::string& where = "");

/// The pixels `rect` of an image of `source_height` × `source_width`.
struct ImageRegion {
  Image image;
  Rect rect;
  int64_t source_height = 0, source_width = 0;
};

/// One id a pixel, row by row.
struct LabelMap {
  int64_t height = 0, width = 0;
  std::vector<int32_t> ids;
};

}  // namespace pixelclip
