#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "pixelclip/base/error.hpp"
#include "pixelclip/image/augment.hpp"

namespace pixelclip {
namespace {

constexpr int kPasses = 3;

/// A box of fractional radius in 24-bit fixed point: 2 · radius + 1 pixels of weight `near`, and
/// one of weight `far` at either side.
struct Box {
  int64_t radius;
  uint32_t near, far;

  /// Three such boxes stand for a Gaussian (Gwosdek et al. 2011, "Theoretical foundations of
  /// Gaussian convolution by extended box filtering", equations 7, 11 and 14), in Pillow's
  /// precision.
  explicit Box(float sigma) {
    const float variance = sigma * sigma / kPasses;
    const auto length = static_cast<float>(std::sqrt(12.0 * variance + 1.0));
    const auto whole = static_cast<float>(std::floor((length - 1.0) / 2.0));
    float part = (2 * whole + 1) * (whole * (whole + 1) - 3 * variance);
    part /= 6 * (variance - (whole + 1) * (whole + 1));
    const float exact = whole + part;
    radius = static_cast<int64_t>(exact);
    near = static_cast<uint32_t>(static_cast<float>(1 << 24) / (exact * 2 + 1));
    far = ((1u << 24) - static_cast<uint32_t>(2 * radius + 1) * near) / 2;
  }
};

inline uint8_t weigh(uint32_t near, uint32_t far, const Box& box) {
  return static_cast<uint8_t>((near * box.near + far * box.far + (1u << 23)) >> 24);
}

/// out[i] = the box over sources[0][i] … sources[n − 1][i]; the first and the last are the far
/// ones.
void box_blur_any(const uint8_t* const* sources, int64_t n, const Box& box, int64_t size,
                  uint8_t* __restrict out) {
  for (int64_t i = 0; i < size; ++i) {
    uint32_t near = 0;
    for (int64_t k = 1; k < n - 1; ++k) near += sources[k][i];
    out[i] = weigh(near, static_cast<uint32_t>(sources[0][i]) + sources[n - 1][i], box);
  }
}

/// The same for radius 0 and 1, which hold every sigma up to 2 and more.
void box_blur_3(const uint8_t* const* sources, const Box box, int64_t size,
                uint8_t* __restrict out) {
  const uint8_t *first = sources[0], *a = sources[1], *last = sources[2];
  for (int64_t i = 0; i < size; ++i) {
    out[i] = weigh(a[i], static_cast<uint16_t>(first[i] + last[i]), box);
  }
}

void box_blur_5(const uint8_t* const* sources, const Box box, int64_t size,
                uint8_t* __restrict out) {
  const uint8_t *first = sources[0], *a = sources[1], *b = sources[2], *c = sources[3],
                *last = sources[4];
  for (int64_t i = 0; i < size; ++i) {
    const auto near = static_cast<uint16_t>(a[i] + b[i] + c[i]);
    out[i] = weigh(near, static_cast<uint16_t>(first[i] + last[i]), box);
  }
}

void box_blur(const std::vector<const uint8_t*>& sources, const Box& box, int64_t size,
              uint8_t* out) {
  const auto n = static_cast<int64_t>(sources.size());
  if (n == 3) return box_blur_3(sources.data(), box, size, out);
  if (n == 5) return box_blur_5(sources.data(), box, size, out);
  box_blur_any(sources.data(), n, box, size, out);
}

/// All passes of one row, in two lines with the edge pixels repeated outside.
void blur_row(uint8_t* row, int64_t width, int64_t channels, const Box& box,
              std::vector<uint8_t>& lines, std::vector<const uint8_t*>& sources) {
  const int64_t reach = box.radius + 1, size = width * channels;
  const int64_t padded = size + 2 * reach * channels;
  lines.resize(2 * padded);
  for (int pass = 0; pass < kPasses; ++pass) {
    uint8_t* line = lines.data() + (pass % 2) * padded;
    uint8_t* centre = line + reach * channels;
    if (pass == 0) std::memcpy(centre, row, size);
    for (int64_t x = 0; x < reach; ++x) {
      std::memcpy(line + x * channels, centre, channels);
      std::memcpy(centre + size + x * channels, centre + size - channels, channels);
    }
    for (int64_t d = -reach; d <= reach; ++d) sources[d + reach] = centre + d * channels;
    uint8_t* next = lines.data() + ((pass + 1) % 2) * padded + reach * channels;
    box_blur(sources, box, size, pass + 1 == kPasses ? row : next);
  }
}

void blur_columns(const Image& in, const Box& box, std::vector<const uint8_t*>& sources,
                  Image& out) {
  const int64_t reach = box.radius + 1;
  out.reshape(in.height, in.width, in.channels);
  for (int64_t y = 0; y < in.height; ++y) {
    for (int64_t d = -reach; d <= reach; ++d) {
      sources[d + reach] = in.row(std::clamp<int64_t>(y + d, 0, in.height - 1));
    }
    box_blur(sources, box, in.stride(), out.row(y));
  }
}

}  // namespace

void gaussian_blur(Image& image, float sigma, AugmentScratch& scratch) {
  constexpr float kMost = 100;
  if (!(sigma >= 0 && sigma <= kMost)) {
    fail("a blur of sigma ", sigma, " is not offered; 0 to ", kMost, " pixels are");
  }
  if (image.pixels.empty() || sigma == 0) return;
  const Box box(sigma);
  scratch.sources.resize(2 * box.radius + 3);
  for (int64_t y = 0; y < image.height; ++y) {
    blur_row(image.row(y), image.width, image.channels, box, scratch.lines, scratch.sources);
  }
  for (int pass = 0; pass < kPasses; ++pass) {
    blur_columns(image, box, scratch.sources, scratch.other);
    std::swap(image, scratch.other);
  }
}

}  // namespace pixelclip
