#include "planar.hpp"

#include <cstring>

namespace pixelclip {
namespace {

using Bytes16 = uint8_t __attribute__((vector_size(16)));

Bytes16 load(const uint8_t* from) {
  Bytes16 out;
  std::memcpy(&out, from, sizeof(out));
  return out;
}

void store(const Bytes16& bytes, uint8_t* to) { std::memcpy(to, &bytes, sizeof(bytes)); }

/// Takes 16 pixels apart: many times as fast as the plain loop as compiled.
void split16(const uint8_t* in, uint8_t* red, uint8_t* green, uint8_t* blue) {
  const Bytes16 a = load(in), b = load(in + 16), c = load(in + 32);
  const Bytes16 r = __builtin_shufflevector(a, b, 0, 3, 6, 9, 12, 15, 18, 21, 24, 27, 30, 0, 0, 0, 0, 0);
  const Bytes16 g = __builtin_shufflevector(a, b, 1, 4, 7, 10, 13, 16, 19, 22, 25, 28, 31, 0, 0, 0, 0, 0);
  const Bytes16 l = __builtin_shufflevector(a, b, 2, 5, 8, 11, 14, 17, 20, 23, 26, 29, 0, 0, 0, 0, 0, 0);
  store(__builtin_shufflevector(r, c, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 17, 20, 23, 26, 29), red);
  store(__builtin_shufflevector(g, c, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 18, 21, 24, 27, 30), green);
  store(__builtin_shufflevector(l, c, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 16, 19, 22, 25, 28, 31), blue);
}

}  // namespace

void to_planes(const Image& image, int64_t height, int64_t width, uint8_t padding, uint8_t* out) {
  const int64_t plane = height * width;
  for (int64_t y = 0; y < image.height; ++y) {
    const uint8_t* in = image.row(y);
    uint8_t* red = out + y * width;
    uint8_t* green = red + plane;
    uint8_t* blue = green + plane;
    int64_t x = 0;
    for (; x + 16 <= image.width; x += 16) split16(in + 3 * x, red + x, green + x, blue + x);
    for (; x < image.width; ++x) {
      red[x] = in[3 * x], green[x] = in[3 * x + 1], blue[x] = in[3 * x + 2];
    }
    for (uint8_t* row : {red, green, blue}) {
      std::memset(row + image.width, padding, static_cast<size_t>(width - image.width));
    }
  }
  for (int64_t channel = 0; channel < 3; ++channel) {
    std::memset(out + channel * plane + image.height * width, padding,
                static_cast<size_t>((height - image.height) * width));
  }
}

}  // namespace pixelclip
