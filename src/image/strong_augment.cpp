#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "pillow_hue.hpp"
#include "pixel_tile.hpp"
#include "pixelclip/base/error.hpp"
#include "pixelclip/image/augment.hpp"

namespace pixelclip {

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
  a.cutout.width = static_cast<int64_t>(random.uniform(0.1, 0.5) * static_cast<double>(width));
  a.cutout.height = static_cast<int64_t>(random.uniform(0.1, 0.5) * static_cast<double>(height));
  a.cutout.x = random.integer(0, width - a.cutout.width + 1);
  a.cutout.y = random.integer(0, height - a.cutout.height + 1);
  return a;
}

namespace {

void check_rgb(const Image& image) {
  if (image.channels != 3) fail("colour jitter needs RGB, not ", image.channels, " channels");
}

/// Pillow's convert("L").
int32_t luma(int32_t r, int32_t g, int32_t b) {
  return (r * 19595 + g * 38470 + b * 7471 + 0x8000) >> 16;
}

/// Pillow's Image.blend: from `other` towards x, or beyond it, in float32, cut to an integer.
int32_t blend(int32_t other, int32_t x, float factor) {
  const float y = static_cast<float>(other) + factor * static_cast<float>(x - other);
  return static_cast<int32_t>(std::min(std::max(y, 0.0f), 255.0f));
}

void blend_with(PixelTile& t, int32_t other, float factor) {
  for (int i = 0; i < PixelTile::kSize; ++i) t.r[i] = blend(other, t.r[i], factor);
  for (int i = 0; i < PixelTile::kSize; ++i) t.g[i] = blend(other, t.g[i], factor);
  for (int i = 0; i < PixelTile::kSize; ++i) t.b[i] = blend(other, t.b[i], factor);
}

void blend_with_luma(PixelTile& t, float factor) {
  for (int i = 0; i < PixelTile::kSize; ++i) {
    const int32_t grey = luma(t.r[i], t.g[i], t.b[i]);
    t.r[i] = blend(grey, t.r[i], factor);
    t.g[i] = blend(grey, t.g[i], factor);
    t.b[i] = blend(grey, t.b[i], factor);
  }
}

void make_grey(PixelTile& t) {
  for (int i = 0; i < PixelTile::kSize; ++i) {
    t.r[i] = t.g[i] = t.b[i] = luma(t.r[i], t.g[i], t.b[i]);
  }
}

int64_t luma_sum(const PixelTile& t, int count) {
  int32_t sum = 0;
  if (count == PixelTile::kSize) {
    for (int i = 0; i < PixelTile::kSize; ++i) sum += luma(t.r[i], t.g[i], t.b[i]);
  } else {
    for (int i = 0; i < count; ++i) sum += luma(t.r[i], t.g[i], t.b[i]);
  }
  return sum;
}

/// torchvision's adjust_hue: the shift is cut to an integer of 1/255 turn and wraps at 256.
int32_t hue_shift(double turn) { return static_cast<int32_t>(turn * 255.0); }

/// The steps between two contrasts, which need the mean of the whole picture.
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

/// Two passes: up to the contrast, whose mean is summed on the way, and from it on.
void apply_jitter(const StrongAugment& augment, bool grey, Image& image) {
  const auto& order = augment.order;
  const auto contrast = static_cast<size_t>(
      std::find(order.begin(), order.end(), StrongAugment::kContrast) - order.begin());
  PointSteps steps{augment};
  int64_t sum = 0;
  for_each_tile(image, [&](PixelTile& tile, int count) {
    steps.apply(tile, 0, contrast);
    sum += luma_sum(tile, count);
  });
  steps.mean = mean_luma(sum, image);
  for_each_tile(image, [&](PixelTile& tile, int) {
    steps.apply(tile, contrast, order.size());
    if (grey) make_grey(tile);
  });
}

}  // namespace

void apply(const StrongAugment& augment, Image& image, AugmentScratch& scratch) {
  check_rgb(image);
  if (image.pixels.empty()) return;
  if (augment.jitter) {
    apply_jitter(augment, augment.grey, image);
  } else if (augment.grey) {
    make_grey(image);
  }
  if (augment.blur) gaussian_blur(image, augment.sigma, scratch);
  paint(image, augment.cutout, 0);
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
