#include "image/blur.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "base/error.hpp"
#include "image/planes.hpp"
#include "image/weigh.hpp"

namespace pixelclip {
namespace {

constexpr int kPasses = 3;

/// A box of fractional radius in 24-bit fixed point: 2 · radius + 1 pixels of weight `near`, and
/// one of weight `far` on either side.
struct Box {
  int64_t radius;
  uint32_t near, far;

  /// Three such boxes approximate a Gaussian (Gwosdek et al. 2011, "Theoretical foundations of
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

/// out[i] = the box over sources[0][i] … sources[n − 1][i]; the first and last have weight `far`.
PIXELCLIP_CLONES void box_blur_any(const uint8_t* const* sources, int64_t n, const Box& box,
                                   int64_t size, uint8_t* __restrict out) {
  for (int64_t i = 0; i < size; ++i) {
    uint32_t near = 0;
    for (int64_t k = 1; k < n - 1; ++k) near += sources[k][i];
    const uint32_t far = static_cast<uint32_t>(sources[0][i]) + sources[n - 1][i];
    out[i] = static_cast<uint8_t>((near * box.near + far * box.far + (1u << 23)) >> 24);
  }
}

void box_blur(const std::vector<const uint8_t*>& sources, const Box& box, int64_t size,
              uint8_t* out) {
  using weigh::Sum;
  const auto& s = sources;
  // Radius 0 and 1 cover every sigma that is used (up to 2).
  if (s.size() == 3) {
    weigh::two<24>(Sum<1>{s[1]}, box.near, Sum<2>{s[0], s[2]}, box.far, size, out);
  } else if (s.size() == 5) {
    weigh::two<24>(Sum<3>{s[1], s[2], s[3]}, box.near, Sum<2>{s[0], s[4]}, box.far, size, out);
  } else {
    box_blur_any(s.data(), static_cast<int64_t>(s.size()), box, size, out);
  }
}

/// All passes of one row, in two buffers with replicated edge pixels.
void blur_row(uint8_t* row, int64_t width, const Box& box, std::vector<uint8_t>& lines,
              std::vector<const uint8_t*>& sources) {
  const int64_t reach = box.radius + 1, padded = width + 2 * reach;
  lines.resize(2 * padded);
  for (int pass = 0; pass < kPasses; ++pass) {
    uint8_t* line = lines.data() + (pass % 2) * padded;
    uint8_t* centre = line + reach;
    if (pass == 0) std::memcpy(centre, row, width);
    std::memset(line, centre[0], reach);
    std::memset(centre + width, centre[width - 1], reach);
    for (int64_t d = 0; d <= 2 * reach; ++d) sources[d] = line + d;
    uint8_t* next = lines.data() + ((pass + 1) % 2) * padded + reach;
    box_blur(sources, box, width, pass + 1 == kPasses ? row : next);
  }
}

/// The rows of a plane, or the most recent rows of a pass in a ring buffer.
struct Rows {
  uint8_t* data;
  int64_t stride, kept;

  uint8_t* operator[](int64_t y) const { return data + y % kept * stride; }
};

}  // namespace

void blur_plane(uint8_t* pixels, int64_t height, int64_t width, int64_t stride, float sigma,
                BlurScratch& scratch) {
  constexpr float kMost = 100;
  if (!(sigma >= 0 && sigma <= kMost)) {
    fail("a blur of sigma ", sigma, " is not offered; 0 to ", kMost, " pixels are");
  }
  if (height * width == 0 || sigma == 0) return;
  const Box box(sigma);
  const int64_t reach = box.radius + 1, ring = 2 * reach + 1;
  scratch.sources.resize(ring);
  scratch.rings.resize(2 * ring * width);
  const Rows plane{pixels, stride, height};
  const Rows stages[] = {plane,
                         {scratch.rings.data(), width, ring},
                         {scratch.rings.data() + ring * width, width, ring},
                         plane};
  // Row by row, each vertical pass lags the previous one by its reach, so that all data stays in
  // the first-level cache. The last pass overwrites only rows that are no longer needed.
  for (int64_t step = 0; step < height + kPasses * reach; ++step) {
    if (step < height) blur_row(plane[step], width, box, scratch.lines, scratch.sources);
    for (int pass = 1; pass <= kPasses; ++pass) {
      const int64_t y = step - pass * reach;
      if (y < 0 || y >= height) continue;
      for (int64_t d = -reach; d <= reach; ++d) {
        scratch.sources[d + reach] = stages[pass - 1][std::clamp<int64_t>(y + d, 0, height - 1)];
      }
      box_blur(scratch.sources, box, width, stages[pass][y]);
    }
  }
}

void gaussian_blur(Image& image, float sigma, BlurScratch& scratch) {
  if (image.channels == 1) {
    return blur_plane(image.pixels.data(), image.height, image.width, image.width, sigma, scratch);
  }
  const PlanarImage planar(image);
  const Planes& p = planar.planes();
  for (uint8_t* plane : p.plane) blur_plane(plane, p.height, p.width, p.stride, sigma, scratch);
  image = planar.interleaved();
}

}  // namespace pixelclip
