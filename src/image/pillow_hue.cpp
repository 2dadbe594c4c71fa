#include "pillow_hue.hpp"

namespace pixelclip {

// Pillow computes partly in float32 and partly in double, and cuts where others round. The float32
// expressions below, in this very order of operations, give the same integers for every colour and
// every shift (checked for all of them).
void shift_pillow_hue(PixelTile& t, int32_t shift) {
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
  for (int i = 0; i < kSize; ++i) {
    const int32_t sixths = hue[i] * 6, v = most[i];
    const int32_t sector = (sixths * 257 + 6) >> 16;  // sixths / 255
    const int32_t part = sixths - 255 * sector;
    // The middle channel falls in the sectors of odd number and rises in the others.
    const int32_t fade = saturation[i] * ((sector & 1) ? part : 255 - part);
    const auto value = static_cast<float>(v);
    const auto faded = 1.0f - static_cast<float>(fade) * (1.0f / 65025.0f);
    const auto unsaturated = 1.0f - static_cast<float>(saturation[i]) * (1.0f / 255.0f);
    const auto low = static_cast<int32_t>(value * unsaturated + 0.5f);
    const auto middle = static_cast<int32_t>(value * faded + 0.5f);
    // Sector 6 is 0 again.
    const bool first = sector == 0 || sector == 6;
    t.r[i] = first || sector == 5 ? v : sector == 1 || sector == 4 ? middle : low;
    t.g[i] = sector == 1 || sector == 2 ? v : first || sector == 3 ? middle : low;
    t.b[i] = sector == 3 || sector == 4 ? v : sector == 2 || sector == 5 ? middle : low;
  }
}

}  // namespace pixelclip
