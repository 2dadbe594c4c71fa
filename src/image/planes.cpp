#include "image/planes.hpp"

#include "base/error.hpp"

namespace pixelclip {

void check_rgb(const Image& image) {
  if (image.channels != 3) {
    fail("the color operation needs RGB, not ", image.channels, " channels");
  }
}

PlanarImage::PlanarImage(int64_t height, int64_t width)
    : pixels_(static_cast<size_t>(3 * height * width)) {
  uint8_t* const p = pixels_.data();
  planes_ = {{p, p + height * width, p + 2 * height * width}, height, width, width};
}

PlanarImage::PlanarImage(const Image& rgb) : PlanarImage(rgb.height, rgb.width) {
  check_rgb(rgb);
  for (int64_t i = 0; i < rgb.height * rgb.width; ++i) {
    for (int c = 0; c < 3; ++c) planes_.plane[c][i] = rgb.pixels[3 * i + c];
  }
}

Image PlanarImage::interleaved() const {
  Image rgb(planes_.height, planes_.width, 3);
  for (int64_t i = 0; i < rgb.height * rgb.width; ++i) {
    for (int c = 0; c < 3; ++c) rgb.pixels[3 * i + c] = planes_.plane[c][i];
  }
  return rgb;
}

}  // namespace pixelclip
