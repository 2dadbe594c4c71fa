#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace pixelclip {

/// Turns polygons into runs (see image/rle.hpp) without a bitmap. Reuses its memory; use one per
/// thread.
class PolygonFiller {
 public:
  /// Polygons of one mask: x, y of each corner in pixels (the first pixel spans 0 to 1), `corners`
  /// per polygon. A pixel belongs to the mask if its center is inside one of them by the even-odd
  /// rule; parts outside height × width are clipped. `counts` is reused. Errors: a size that is too
  /// large, more than 2^22 crossings of edges and columns.
  void fill(std::span<const double> points, std::span<const uint32_t> corners, int64_t height,
            int64_t width, std::vector<uint32_t>& counts);

 private:
  struct Crossing {
    int64_t column;
    double y;
    bool operator<(const Crossing& b) const {
      return column != b.column ? column < b.column : y < b.y;
    }
  };
  struct Interval {
    uint32_t begin, end;
    bool operator<(const Interval& b) const { return begin < b.begin; }
  };
  void add_polygon(std::span<const double> points, int64_t height, int64_t width);

  std::vector<Crossing> crossings_;
  size_t crossed_ = 0;  ///< columns that all polygons cross
  std::vector<Interval> intervals_;
};

}  // namespace pixelclip
