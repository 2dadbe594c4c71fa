#include "image/pillow_hue.hpp"

#include "base/instruction_sets.hpp"

namespace pixelclip {

// Pillow computes partly in float32 and partly in double, and truncates. The float32 expressions
// below, in this order of operations, give the same integers for all colors and shifts (verified
// exhaustively).
PIXELCLIP_CLONES void shift_pillow_hue(PixelTile& t, int32_t shift) {
  constexpr int kSize = PixelTile::kSize;
  int32_t hue[kSize], saturation[kSize], most[kSize];
  for (int i = 0; i < kSize; ++i) {
    const int32_t r = t.r[i], g = t.g[i], b = t.b[i];
    const int32_t top = std::max(r, std::max(g, b)), low = std::min(r, std::min(g, b));
    const int32_t range = top - low;
    const int32_t middle = 3 * top - r - g - b - range;  // from the top to the middle channel
    const float share = static_cast<float>(middle) / static_cast<float>(std::max(range, 1));
    const float corner = r == top ? 0.0f : g == top ? 2.0f : 4.0f;
    // The channel before the largest, in the circle R, G, B, is the smallest: hue rises from the
    // corner.
    const int32_t before = r == top ? b : g == top ? r : g;
    const float sixth = before == low ? (corner + 1.0f) - share : (corner - 1.0f) + share;
    float turn = sixth / 6.0f;
    turn = turn < 0.0f ? turn + 1.0f : turn;
    const auto whole = static_cast<int32_t>(turn * 255.0f);
    hue[i] = ((range == 0 ? 0 : whole) + shift) & 255;
    const float ratio = static_cast<float>(range) / static_cast<float>(std::max(top, 1));
    saturation[i] = static_cast<int32_t>(ratio * 255.0f);
    most[i] = top;
  }
  // Each channel lies between the largest value and the smallest by a weight that rises and falls
  // along the hue circle of 1530 steps, 255 a sector.
  const auto limit = [](float x) { return std::min(std::max(x, 0.0f), 255.0f); };
  for (int i = 0; i < kSize; ++i) {
    const auto x = static_cast<float>(hue[i] * 6);
    const auto s = static_cast<float>(saturation[i]);
    const auto v = static_cast<float>(most[i]);
    const auto channel = [&](float weight) {
      return static_cast<int32_t>(v * (1.0f - s * weight * (1.0f / 65025.0f)) + 0.5f);
    };
    t.r[i] = channel(limit(std::min(x - 255.0f, 1275.0f - x)));
    t.g[i] = channel(limit(std::max(255.0f - x, x - 765.0f)));
    t.b[i] = channel(limit(std::max(765.0f - x, x - 1275.0f)));
  }
}

}  // namespace pixelclip
