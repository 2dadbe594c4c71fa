#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "image/formats.hpp"

namespace pixelclip::formats {

/// Samples as a file stores them, row by row, bands interleaved.
template <typename T>
struct Raster {
  int64_t height = 0, width = 0, bands = 0;
  std::vector<T> samples;

  Raster() = default;
  Raster(int64_t h, int64_t w, int64_t b)
      : height(h), width(w), bands(b), samples(static_cast<size_t>(h * w * b)) {}

  T* row(int64_t y) { return samples.data() + y * width * bands; }
  const T* row(int64_t y) const { return samples.data() + y * width * bands; }
};

/// RGB of a raster with 1 or 2 bands (grey, alpha) or 3 or more (RGB, others); `level` maps a
/// sample to 0 … 255.
template <typename T, typename Level>
Image to_rgb(const Raster<T>& raster, const Level& level) {
  Image image(raster.height, raster.width, 3);
  const int64_t green = raster.bands < 3 ? 0 : 1, blue = raster.bands < 3 ? 0 : 2;
  for (int64_t y = 0; y < raster.height; ++y) {
    const T* in = raster.row(y);
    uint8_t* out = image.row(y);
    for (int64_t x = 0; x < raster.width; ++x, in += raster.bands, out += 3) {
      out[0] = level(in[0]), out[1] = level(in[green]), out[2] = level(in[blue]);
    }
  }
  return image;
}

/// The ids in the first band.
template <typename T>
LabelMap to_labels(const Raster<T>& raster) {
  LabelMap labels{raster.height, raster.width, {}};
  labels.ids.reserve(static_cast<size_t>(raster.height * raster.width));
  for (size_t i = 0; i < raster.samples.size(); i += raster.bands)
    labels.ids.push_back(static_cast<int32_t>(raster.samples[i]));
  return labels;
}

[[noreturn]] inline void fail_not_ids(const std::string& name) {
  fail_in(name, "the labels are colors or fractions; an image of whole ids was expected");
}

}  // namespace pixelclip::formats
