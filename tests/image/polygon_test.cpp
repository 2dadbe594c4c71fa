#include "image/polygon.hpp"

#include "base/random.hpp"
#include "image/rle.hpp"
#include "support/support.hpp"

namespace pixelclip {
namespace {

using ::testing::ElementsAre;

/// Whether a point lies inside a polygon an odd number of times, by a ray upwards.
bool inside(std::span<const double> points, double x, double y) {
  bool odd = false;
  const size_t n = points.size() / 2;
  for (size_t i = 0, j = n - 1; i < n; j = i++) {
    const double x0 = points[2 * i], y0 = points[2 * i + 1], x1 = points[2 * j],
                 y1 = points[2 * j + 1];
    if ((x0 <= x) == (x1 <= x)) continue;
    if (y0 + (x - x0) / (x1 - x0) * (y1 - y0) <= y) odd = !odd;
  }
  return odd;
}

TEST(Polygon, HoldsThePixelsWhoseCentreLiesInside) {
  Random random(11);
  PolygonFiller filler;
  std::vector<uint32_t> counts;
  int64_t filled = 0;
  for (int round = 0; round < 3000; ++round) {
    const int64_t height = random.integer(1, 24), width = random.integer(1, 24);
    std::vector<double> points;
    std::vector<uint32_t> corners;
    for (int64_t polygons = random.integer(0, 4); polygons > 0; --polygons) {
      corners.push_back(static_cast<uint32_t>(random.integer(0, 9)));
      for (uint32_t i = 0; i < corners.back(); ++i) {  // they cross themselves and leave the image
        points.push_back(random.uniform(-6, static_cast<double>(width) + 6));
        points.push_back(random.uniform(-6, static_cast<double>(height) + 6));
      }
    }
    filler.fill(points, corners, height, width, counts);
    const auto bitmap = rle_to_bitmap({height, width, counts});
    for (int64_t y = 0; y < height; ++y) {
      for (int64_t x = 0; x < width; ++x) {
        bool expected = false;
        size_t at = 0;
        for (const uint32_t n : corners) {
          const auto polygon = std::span(points).subspan(at, 2 * n);
          expected = expected || (n > 0 && inside(polygon, static_cast<double>(x) + 0.5,
                                                  static_cast<double>(y) + 0.5));
          at += 2 * n;
        }
        ASSERT_EQ(bitmap[y * width + x], expected) << "round " << round << " at " << x << ", " << y;
        filled += expected;
      }
    }
  }
  EXPECT_GT(filled, 10000);
}

TEST(Polygon, WholePixelsAndWhatLiesOutside) {
  PolygonFiller filler;
  std::vector<uint32_t> counts;
  filler.fill(std::vector<double>{1, 1, 3, 1, 3, 2, 1, 2}, std::vector<uint32_t>{4}, 3, 4, counts);
  EXPECT_THAT(counts, ElementsAre(4, 1, 2, 1, 4));
  filler.fill(std::vector<double>{-9, -9, 99, -9, 99, 99, -9, 99}, std::vector<uint32_t>{4}, 3, 4,
              counts);
  EXPECT_THAT(counts, ElementsAre(0, 12));
  filler.fill(std::vector<double>{10, 10, 20, 10, 20, 20}, std::vector<uint32_t>{3}, 3, 4, counts);
  EXPECT_THAT(counts, ElementsAre(12));
  filler.fill({}, {}, 3, 4, counts);
  EXPECT_THAT(counts, ElementsAre(12));
  EXPECT_ERROR(filler.fill({}, {}, 0, 4, counts), ::testing::HasSubstr("0 x 4"));
}

}  // namespace
}  // namespace pixelclip
