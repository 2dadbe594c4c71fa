#include "image/polygon.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.hpp"

namespace pixelclip {
namespace {

constexpr size_t kMostCrossings = size_t{1} << 22;

/// The first index whose centre lies at or behind `position`, within [0, size].
int64_t first_centre(double position, int64_t size) {
  return static_cast<int64_t>(
      std::clamp(std::ceil(position - 0.5), 0.0, static_cast<double>(size)));
}

}  // namespace

void PolygonFiller::add_polygon(std::span<const double> points, int64_t height, int64_t width) {
  crossings_.clear();
  const size_t corners = points.size() / 2;
  for (size_t i = 0; i < corners; ++i) {
    const size_t j = i + 1 == corners ? 0 : i + 1;
    double x0 = points[2 * i], y0 = points[2 * i + 1], x1 = points[2 * j], y1 = points[2 * j + 1];
    if (x0 > x1) std::swap(x0, x1), std::swap(y0, y1);
    const int64_t begin = first_centre(x0, width), end = first_centre(x1, width);
    if (begin >= end) continue;
    crossed_ += static_cast<size_t>(end - begin);
    if (crossed_ > kMostCrossings)
      fail("its polygons cross more than ", kMostCrossings, " columns");
    for (int64_t x = begin; x < end; ++x) {
      const double share = (static_cast<double>(x) + 0.5 - x0) / (x1 - x0);
      crossings_.push_back({x, y0 + share * (y1 - y0)});
    }
  }
  std::sort(crossings_.begin(), crossings_.end());
  for (size_t i = 0; i + 1 < crossings_.size();
       i += 2) {  // each column is crossed an even number of times
    const int64_t column = crossings_[i].column * height;
    const int64_t begin = first_centre(crossings_[i].y, height);
    const int64_t end = first_centre(crossings_[i + 1].y, height);
    if (begin < end) {
      intervals_.push_back(
          {static_cast<uint32_t>(column + begin), static_cast<uint32_t>(column + end)});
    }
  }
}

void PolygonFiller::fill(std::span<const double> points, std::span<const uint32_t> corners,
                         int64_t height, int64_t width, std::vector<uint32_t>& counts) {
  if (height < 1 || width < 1 || height > std::numeric_limits<uint32_t>::max() / width) {
    fail("a mask of ", height, " x ", width, " pixels can not be drawn");
  }
  intervals_.clear();
  crossed_ = 0;
  size_t at = 0;
  for (const uint32_t n : corners) {
    add_polygon(points.subspan(at, size_t{2} * n), height, width);
    at += size_t{2} * n;
  }
  std::sort(intervals_.begin(), intervals_.end());
  counts.clear();
  uint32_t end = 0;
  for (const Interval& interval : intervals_) {
    if (!counts.empty() && interval.begin <= end) {  // joins the run before
      if (interval.end > end) counts.back() += interval.end - end;
    } else {
      counts.push_back(interval.begin - end);
      counts.push_back(interval.end - interval.begin);
    }
    end = std::max(end, interval.end);
  }
  const auto pixels = static_cast<uint32_t>(height * width);
  if (end < pixels) counts.push_back(pixels - end);
}

}  // namespace pixelclip
