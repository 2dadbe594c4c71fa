#include "image/ssd_jitter.hpp"

#include "base/instruction_sets.hpp"

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
  jitter.hue_delta = static_cast<int>(random.integer(-18, 19));
  return jitter;
}

namespace {

/// detectron2's convert(): x · factor + offset in float32, clipped, cut to an integer.
PIXELCLIP_INLINE void convert(int32_t* x, float factor, float offset) {
  for (int i = 0; i < PixelTile::kSize; ++i) {
    const float y = static_cast<float>(x[i]) * factor + offset;
    x[i] = static_cast<int32_t>(std::min(std::max(y, 0.0f), 255.0f));
  }
}

PIXELCLIP_INLINE void convert(PixelTile& tile, float factor, float offset) {
  convert(tile.r, factor, offset);
  convert(tile.g, factor, offset);
  convert(tile.b, factor, offset);
}

struct HsvTile {
  int32_t h[PixelTile::kSize], s[PixelTile::kSize], v[PixelTile::kSize];
};

/// OpenCV's COLOR_RGB2HSV on 8 bits: hue in half degrees, 12-bit fixed point. The two divisions are
/// its tables of rounded quotients, which single precision reproduces.
PIXELCLIP_INLINE void to_hsv(const PixelTile& rgb, HsvTile& hsv) {
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

/// 1 − a · b, rounded once as in OpenCV's vector code. Without a fused multiplication the product
/// is taken in double precision, where it is exact: for all saturations and hues of to_rgb the
/// result is the same (checked for all of them).
template <bool kFused>
PIXELCLIP_INLINE float one_minus_product(float a, float b) {
  if (kFused) return __builtin_fmaf(-a, b, 1.0f);
  return static_cast<float>(1.0 - static_cast<double>(a) * static_cast<double>(b));
}

/// OpenCV's COLOR_HSV2RGB on 8 bits: its vector code cuts the result where its scalar code rounds,
/// and a crop's rows go through the former. Each channel lies between the largest value and the
/// smallest by a weight that rises and falls along the six sectors of the hue circle; that gives
/// OpenCV's integers for every color (checked for all of them).
template <bool kFused>
PIXELCLIP_INLINE void to_rgb(const HsvTile& hsv, PixelTile& rgb) {
  const auto limit = [](float x) { return std::min(std::max(x, 0.0f), 1.0f); };
  for (int i = 0; i < PixelTile::kSize; ++i) {
    const float t = static_cast<float>(hsv.h[i]) * (6.0f / 180.0f);
    const float s = static_cast<float>(hsv.s[i]) * (1.0f / 255.0f);
    const float v = static_cast<float>(hsv.v[i]) * (1.0f / 255.0f);
    const auto channel = [&](float weight) {
      return static_cast<int32_t>(v * one_minus_product<kFused>(s, weight) * 255.0f);
    };
    rgb.r[i] = channel(limit(std::min(t - 1.0f, 5.0f - t)));
    rgb.g[i] = channel(limit(std::max(1.0f - t, t - 3.0f)));
    rgb.b[i] = channel(limit(std::max(3.0f - t, t - 5.0f)));
  }
}

template <bool kFused>
PIXELCLIP_INLINE void change_saturation(PixelTile& tile, float factor) {
  HsvTile hsv;
  to_hsv(tile, hsv);
  convert(hsv.s, factor, 0.0f);
  to_rgb<kFused>(hsv, tile);
}

template <bool kFused>
PIXELCLIP_INLINE void change_hue(PixelTile& tile, int delta) {
  HsvTile hsv;
  to_hsv(tile, hsv);
  for (int i = 0; i < PixelTile::kSize; ++i) {
    int32_t hue = hsv.h[i] + delta;
    hue += hue < 0 ? 180 : 0;
    hsv.h[i] = hue >= 180 ? hue - 180 : hue;
  }
  to_rgb<kFused>(hsv, tile);
}

template <bool kFused>
PIXELCLIP_INLINE void apply_steps(const SsdJitter& jitter, PixelTile& tile) {
  if (jitter.brightness) convert(tile, 1.0f, jitter.brightness_delta);
  if (jitter.contrast && jitter.contrast_first) convert(tile, jitter.contrast_factor, 0.0f);
  if (jitter.saturation) change_saturation<kFused>(tile, jitter.saturation_factor);
  if (jitter.hue) change_hue<kFused>(tile, jitter.hue_delta);
  if (jitter.contrast && !jitter.contrast_first) convert(tile, jitter.contrast_factor, 0.0f);
}

#ifdef PIXELCLIP_V3
PIXELCLIP_CLONES void apply_fused(const SsdJitter& jitter, PixelTile& tile) {
  apply_steps<true>(jitter, tile);
}
#endif

}  // namespace

void apply(const SsdJitter& jitter, PixelTile& tile) {
#ifdef PIXELCLIP_V3
  if (has_v3()) return apply_fused(jitter, tile);
#endif
  apply_steps<false>(jitter, tile);
}

void apply(const SsdJitter& jitter, Image& image) {
  check_rgb(image);
  for_each_tile(image, [&](PixelTile& tile, int) { apply(jitter, tile); });
}

}  // namespace pixelclip
