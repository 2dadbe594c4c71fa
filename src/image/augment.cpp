#include "image/augment.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <tuple>
#include <utility>

#include "base/error.hpp"
#include "base/instruction_sets.hpp"
#include "image/pillow_hue.hpp"
#include "image/pixel_tile.hpp"

namespace pixelclip {

namespace {

/// One axis of the public cutout: `size` pixels around a center that may be off by one, clipped to
/// `length`.
std::pair<int64_t, int64_t> draw_cut(Random& random, int64_t size, int64_t length) {
  const int64_t half = size / 2, last = length + (size % 2 == 0 ? 1 : 0) - half;
  const int64_t start = random.integer(std::min(half, last), std::max(half, last) + 1) - half;
  const int64_t begin = std::clamp<int64_t>(start, 0, length),
                end = std::clamp<int64_t>(start + size, begin, length);
  return {begin, end - begin};
}

}  // namespace

StrongAugment StrongAugment::draw(Random& random, int64_t height, int64_t width) {
  StrongAugment a;
  a.jitter = random.chance(0.8);
  a.brightness = static_cast<float>(random.uniform(0.5, 1.5));
  a.contrast = static_cast<float>(random.uniform(0.5, 1.5));
  a.saturation = static_cast<float>(random.uniform(0.5, 1.5));
  a.hue = random.uniform(-0.25, 0.25);
  for (size_t i = a.order.size() - 1; i > 0; --i) {
    std::swap(a.order[i], a.order[random.integer(0, static_cast<int64_t>(i) + 1)]);
  }
  a.grey = random.chance(0.2);
  a.blur = random.chance(0.5);
  a.sigma = static_cast<float>(random.uniform(0.1, 2.0));
  // The public code takes the share of the height along x and that of the width along y.
  const auto along_x = static_cast<int64_t>(random.uniform(0.1, 0.5) * static_cast<double>(height));
  const auto along_y = static_cast<int64_t>(random.uniform(0.1, 0.5) * static_cast<double>(width));
  std::tie(a.cutout.x, a.cutout.width) = draw_cut(random, along_x, width);
  std::tie(a.cutout.y, a.cutout.height) = draw_cut(random, along_y, height);
  return a;
}

namespace {

/// Pillow's convert("L").
PIXELCLIP_INLINE int32_t luma(int32_t r, int32_t g, int32_t b) {
  return (r * 19595 + g * 38470 + b * 7471 + 0x8000) >> 16;
}

/// Pillow's Image.blend in float32: interpolates or extrapolates from `other` to x and truncates.
PIXELCLIP_INLINE int32_t blend(int32_t other, int32_t x, float factor) {
  const float y = static_cast<float>(other) + factor * static_cast<float>(x - other);
  return static_cast<int32_t>(std::min(std::max(y, 0.0f), 255.0f));
}

PIXELCLIP_CLONES void blend_with(PixelTile& t, int32_t other, float factor) {
  for (int i = 0; i < PixelTile::kSize; ++i) t.r[i] = blend(other, t.r[i], factor);
  for (int i = 0; i < PixelTile::kSize; ++i) t.g[i] = blend(other, t.g[i], factor);
  for (int i = 0; i < PixelTile::kSize; ++i) t.b[i] = blend(other, t.b[i], factor);
}

PIXELCLIP_CLONES void blend_with_luma(PixelTile& t, float factor) {
  for (int i = 0; i < PixelTile::kSize; ++i) {
    const int32_t grey = luma(t.r[i], t.g[i], t.b[i]);
    t.r[i] = blend(grey, t.r[i], factor);
    t.g[i] = blend(grey, t.g[i], factor);
    t.b[i] = blend(grey, t.b[i], factor);
  }
}

PIXELCLIP_CLONES void make_grey(PixelTile& t) {
  for (int i = 0; i < PixelTile::kSize; ++i) {
    t.r[i] = t.g[i] = t.b[i] = luma(t.r[i], t.g[i], t.b[i]);
  }
}

PIXELCLIP_CLONES int64_t luma_sum(const PixelTile& t, int count) {
  int32_t sum = 0;
  if (count == PixelTile::kSize) {
    for (int i = 0; i < PixelTile::kSize; ++i) sum += luma(t.r[i], t.g[i], t.b[i]);
  } else {
    for (int i = 0; i < count; ++i) sum += luma(t.r[i], t.g[i], t.b[i]);
  }
  return sum;
}

/// torchvision's adjust_hue: the shift is truncated to an integer of 1/255 turn and wraps at 256.
int32_t hue_shift(double turn) { return static_cast<int32_t>(turn * 255.0); }

/// The steps between two contrasts, which need the mean of the whole image.
struct PointSteps {
  const StrongAugment& augment;
  int32_t mean = 0;

  void apply(PixelTile& tile, size_t first, size_t last) const {
    for (size_t i = first; i < last; ++i) {
      switch (augment.order[i]) {
        case StrongAugment::kBrightness:
          blend_with(tile, 0, augment.brightness);
          break;
        case StrongAugment::kContrast:
          blend_with(tile, mean, augment.contrast);
          break;
        case StrongAugment::kSaturation:
          blend_with_luma(tile, augment.saturation);
          break;
        case StrongAugment::kHue:
          shift_pillow_hue(tile, hue_shift(augment.hue));
          break;
      }
    }
  }
};

int32_t mean_luma(int64_t sum, const Image& image) {
  const auto pixels = static_cast<double>(image.height * image.width);
  return static_cast<int32_t>(static_cast<double>(sum) / pixels + 0.5);
}

/// Calls `body(y, x, count)` for the tiles of each row.
template <typename Body>
void for_each_part(int64_t height, int64_t width, const Body& body) {
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t x = 0; x < width; x += PixelTile::kSize) {
      body(y, x, static_cast<int>(std::min<int64_t>(PixelTile::kSize, width - x)));
    }
  }
}

}  // namespace

// Two passes over the tiles: the first computes both views up to the contrast step and its mean,
// the second the rest of the strong view. Blur and cutout follow per plane.
void make_views(const Image& crop, const SsdJitter& jitter, const StrongAugment* augment,
                const Planes& weak, const Planes& strong, BlurScratch& scratch) {
  check_rgb(crop);
  const StrongAugment a = augment ? *augment : StrongAugment();
  const auto contrast = static_cast<size_t>(
      std::find(a.order.begin(), a.order.end(), StrongAugment::kContrast) - a.order.begin());
  PointSteps steps{a};
  int64_t sum = 0;
  PixelTile tile;
  for_each_part(crop.height, crop.width, [&](int64_t y, int64_t x, int count) {
    tile.load(crop.row(y) + 3 * x, count);
    apply(jitter, tile);
    tile.store(weak, y, x, count);
    if (!augment) return;
    if (a.jitter) {
      steps.apply(tile, 0, contrast);
      sum += luma_sum(tile, count);
    } else if (a.grey) {
      make_grey(tile);
    }
    tile.store(strong, y, x, count);
  });
  if (!augment) return;
  if (a.jitter && !crop.pixels.empty()) {
    steps.mean = mean_luma(sum, crop);
    for_each_part(crop.height, crop.width, [&](int64_t y, int64_t x, int count) {
      tile.load(strong, y, x, count);
      steps.apply(tile, contrast, a.order.size());
      if (a.grey) make_grey(tile);
      tile.store(strong, y, x, count);
    });
  }
  for (int c = 0; c < 3; ++c) {
    if (a.blur) {
      blur_plane(strong.plane[c], crop.height, crop.width, strong.stride, a.sigma, scratch);
    }
    for (int64_t y = 0; y < a.cutout.height; ++y) {
      std::fill_n(strong.row(c, a.cutout.y + y) + a.cutout.x, a.cutout.width, 0);
    }
  }
}

void adjust_brightness(Image& image, float factor) {
  check_rgb(image);
  for_each_tile(image, [&](PixelTile& tile, int) { blend_with(tile, 0, factor); });
}

void adjust_contrast(Image& image, float factor) {
  check_rgb(image);
  if (image.pixels.empty()) return;
  int64_t sum = 0;
  for_each_tile(image, [&](PixelTile& tile, int count) { sum += luma_sum(tile, count); });
  const int32_t mean = mean_luma(sum, image);
  for_each_tile(image, [&](PixelTile& tile, int) { blend_with(tile, mean, factor); });
}

void adjust_saturation(Image& image, float factor) {
  check_rgb(image);
  for_each_tile(image, [&](PixelTile& tile, int) { blend_with_luma(tile, factor); });
}

void adjust_hue(Image& image, double turn) {
  check_rgb(image);
  for_each_tile(image, [&](PixelTile& tile, int) { shift_pillow_hue(tile, hue_shift(turn)); });
}

void make_grey(Image& image) {
  check_rgb(image);
  for_each_tile(image, [&](PixelTile& tile, int) { make_grey(tile); });
}

void paint(Image& image, const Rect& rect, uint8_t value) {
  const int64_t left = std::clamp<int64_t>(rect.x, 0, image.width);
  const int64_t right = std::clamp<int64_t>(rect.x + rect.width, left, image.width);
  const int64_t bottom = std::min(rect.y + rect.height, image.height);
  for (int64_t y = std::max<int64_t>(rect.y, 0); y < bottom; ++y) {
    std::fill(image.row(y) + left * image.channels, image.row(y) + right * image.channels, value);
  }
}

}  // namespace pixelclip
