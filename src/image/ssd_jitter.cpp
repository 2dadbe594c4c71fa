#include "pixel_tile.hpp"
#include "pixelclip/base/error.hpp"
#include "pixelclip/image/augment.hpp"

namespace pixelclip {

SsdJitter SsdJitter::draw(Random& random) {
  SsdJitter jitter;
  jitter.brightness = random.chance(0.5);
  jitter.brightness_delta = static_cast<float>(random.uniform(-32, 32));
  jitter.contrast_first = random.chance(0.5);
  jitter.contrast = random.chance(0.5);
  jitter.contrast_factor = static_cast<float>(random.uniform(0.5, 1.5));
  jitter.saturation = random.chance(0.5);
  jitter.saturation_factor = static_cast<float>(random.uniform(0.5, 1.5));
  jitter.hue = random.chance(0.5);
  jitter.hue_delta = static_cast<int>(random.integer(-18, 18));
  return jitter;
}

namespace {

/// detectron2's convert(): x · factor + offset in float32, clipped, cut to an integer.
void convert(int32_t* x, float factor, float offset) {
  for (int i = 0; i < PixelTile::kSize; ++i) {
    const float y = static_cast<float>(x[i]) * factor + offset;
    x[i] = static_cast<int32_t>(std::min(std::max(y, 0.0f), 255.0f));
  }
}

void convert(PixelTile& tile, float factor, float offset) {
  convert(tile.r, factor, offset);
  convert(tile.g, factor, offset);
  convert(tile.b, factor, offset);
}

struct HsvTile {
  int32_t h[PixelTile::kSize], s[PixelTile::kSize], v[PixelTile::kSize];
};

/// OpenCV's COLOR_RGB2HSV on 8 bits: hue in half degrees, 12-bit fixed point. The two divisions are
/// its tables of rounded quotients, which single precision reproduces.
void to_hsv(const PixelTile& rgb, HsvTile& hsv) {
  constexpr float kSaturation = 255 << 12, kHue = (180 << 12) / 6.0f;
  constexpr int kHalf = 1 << 11;
  for (int i = 0; i < PixelTile::kSize; ++i) {
    const int32_t r = rgb.r[i], g = rgb.g[i], b = rgb.b[i];
    const int32_t most = std::max(r, std::max(g, b));
    const int32_t range = most - std::min(r, std::min(g, b));
    const auto per_most =
        static_cast<int32_t>(kSaturation / static_cast<float>(std::max(most, 1)) + 0.5f);
    const auto per_range =
        static_cast<int32_t>(kHue / static_cast<float>(std::max(range, 1)) + 0.5f);
    const int32_t sector = most == r ? g - b : most == g ? b - r + 2 * range : r - g + 4 * range;
    int32_t hue = (sector * per_range + kHalf) >> 12;
    hue += hue < 0 ? 180 : 0;
    hsv.h[i] = hue;
    hsv.s[i] = (range * per_most + kHalf) >> 12;
    hsv.v[i] = most;
  }
}

/// 1 − a · b, rounded once where the processor can, as in OpenCV's vector code; otherwise a result
/// of to_rgb is one level lower or higher in some of 10,000 cases.
float one_minus_product(float a, float b) {
#ifdef __FP_FAST_FMAF
  return __builtin_fmaf(-a, b, 1.0f);
#else
  return 1.0f - a * b;
#endif
}

/// OpenCV's COLOR_HSV2RGB on 8 bits: its vector code cuts the result where its scalar code rounds,
/// and a crop's rows go through the former.
void to_rgb(const HsvTile& hsv, PixelTile& rgb) {
  const auto byte = [](float x) { return static_cast<int32_t>(x * 255.0f); };
  for (int i = 0; i < PixelTile::kSize; ++i) {
    const float turn = static_cast<float>(hsv.h[i]) * (6.0f / 180.0f);
    const auto sector = static_cast<int32_t>(turn);
    const float part = turn - static_cast<float>(sector);
    const float s = static_cast<float>(hsv.s[i]) * (1.0f / 255.0f);
    const float v = static_cast<float>(hsv.v[i]) * (1.0f / 255.0f);
    const int32_t top = hsv.v[i];
    const int32_t low = byte(v * (1.0f - s));
    const int32_t falling = byte(v * one_minus_product(s, part));
    const int32_t rising = byte(v * one_minus_product(s, 1.0f - part));
    rgb.r[i] = sector == 1                  ? falling
               : sector == 2 || sector == 3 ? low
               : sector == 4                ? rising
                                            : top;
    rgb.g[i] = sector == 0 || sector >= 6 ? rising
               : sector <= 2              ? top
               : sector == 3              ? falling
                                          : low;
    rgb.b[i] = sector <= 1 || sector >= 6 ? low
               : sector == 2              ? rising
               : sector <= 4              ? top
                                          : falling;
  }
}

void change_saturation(PixelTile& tile, float factor) {
  HsvTile hsv;
  to_hsv(tile, hsv);
  convert(hsv.s, factor, 0.0f);
  to_rgb(hsv, tile);
}

void change_hue(PixelTile& tile, int delta) {
  HsvTile hsv;
  to_hsv(tile, hsv);
  for (int i = 0; i < PixelTile::kSize; ++i) {
    int32_t hue = hsv.h[i] + delta;
    hue += hue < 0 ? 180 : 0;
    hsv.h[i] = hue >= 180 ? hue - 180 : hue;
  }
  to_rgb(hsv, tile);
}

}  // namespace

void apply(const SsdJitter& jitter, Image& image) {
  if (image.channels != 3) fail("colour jitter needs RGB, not ", image.channels, " channels");
  if (!jitter.brightness && !jitter.contrast && !jitter.saturation && !jitter.hue) return;
  for_each_tile(image, [&](PixelTile& tile, int) {
    if (jitter.brightness) convert(tile, 1.0f, jitter.brightness_delta);
    if (jitter.contrast && jitter.contrast_first) convert(tile, jitter.contrast_factor, 0.0f);
    if (jitter.saturation) change_saturation(tile, jitter.saturation_factor);
    if (jitter.hue) change_hue(tile, jitter.hue_delta);
    if (jitter.contrast && !jitter.contrast_first) convert(tile, jitter.contrast_factor, 0.0f);
  });
}

}  // namespace pixelclip
