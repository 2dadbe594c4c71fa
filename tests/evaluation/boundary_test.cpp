#include "evaluation/boundary.hpp"

#include <algorithm>
#include <cmath>

#include "base/random.hpp"
#include "support/support.hpp"

namespace pixelclip {
namespace {

TEST(Boundary, IsTheIdLessTheLeastIdNearbyWithZeroOutside) {
  Random random(3);
  for (const auto& [height, width] : {std::pair{1, 1}, {3, 90}, {40, 61}, {130, 97}, {2, 2}}) {
    LabelMap labels{height, width, std::vector<int32_t>(height * width)};
    for (int32_t& id : labels.ids) id = static_cast<int32_t>(random.integer(3, 9));
    const int reach =
        std::max(1, static_cast<int>(std::nearbyint(0.02 * std::hypot(height, width))));
    const LabelMap boundary = boundary_map(labels);
    for (int y = 0; y < height; ++y) {
      for (int x = 0; x < width; ++x) {
        int32_t least = 255;
        for (int v = y - reach; v <= y + reach; ++v) {
          for (int u = x - reach; u <= x + reach; ++u) {
            const bool inside = v >= 0 && v < height && u >= 0 && u < width;
            least = std::min(least, inside ? labels.ids[v * width + u] : 0);
          }
        }
        ASSERT_EQ(boundary.ids[y * width + x], labels.ids[y * width + x] - least) << y << ' ' << x;
      }
    }
  }
}

}  // namespace
}  // namespace pixelclip
