#include "evaluation/boundary.hpp"

#include <algorithm>
#include <cmath>

#include "base/error.hpp"

namespace pixelclip {
namespace {

/// Each value becomes the minimum of itself and the value `shift` > 0 positions later.
void min_with_shifted(uint8_t* values, int64_t count, int64_t shift) {
  // Later values are read before they are written, so the loop can be vectorized.
#pragma GCC ivdep
  for (int64_t i = 0; i < count; ++i) values[i] = std::min(values[i], values[i + shift]);
}

/// Minimum over `window` values spaced `stride` apart, starting at each of the first `count` −
/// (window − 1)·stride values, in place: minima of 1, 2, 4 … values, then of two overlapping
/// windows.
void sliding_min(uint8_t* values, int64_t count, int64_t window, int64_t stride) {
  int64_t have = 1;
  for (; 2 * have <= window; have *= 2) {
    min_with_shifted(values, count - (2 * have - 1) * stride, have * stride);
  }
  if (have < window) {
    min_with_shifted(values, count - (window - 1) * stride, (window - have) * stride);
  }
}

}  // namespace

LabelMap boundary_map(const LabelMap& labels) {
  const int64_t height = labels.height, width = labels.width;
  LabelMap boundary = labels;
  // nearbyint rounds halves to even, as Python's round does.
  const double diagonal = std::sqrt(static_cast<double>(height * height + width * width));
  const int64_t reach = std::max<int64_t>(1, std::llrint(0.02 * diagonal));
  const int64_t window = 2 * reach + 1;
  // Within `reach` of the image border the minimum is the 0 outside, so the id remains.
  const int64_t inner_height = height - 2 * reach, inner_width = width - 2 * reach;
  if (inner_height <= 0 || inner_width <= 0) return boundary;

  std::vector<uint8_t> least(labels.ids.size());
  for (size_t i = 0; i < least.size(); ++i) {
    if (labels.ids[i] < 0 || labels.ids[i] > 255) {
      fail("boundaries are defined for ids 0 to 255; one is ", labels.ids[i]);
    }
    least[i] = static_cast<uint8_t>(labels.ids[i]);
  }
  sliding_min(least.data(), height * width, window, width);
  for (int64_t y = 0; y < inner_height; ++y) {
    uint8_t* row = least.data() + y * width;
    sliding_min(row, width, window, 1);
    int32_t* out = boundary.ids.data() + (y + reach) * width + reach;
    for (int64_t x = 0; x < inner_width; ++x) out[x] -= row[x];
  }
  return boundary;
}

void add_boundaries(const LabelMap& predicted, const LabelMap& truth, Confusion& boundary) {
  const LabelMap predicted_edge = boundary_map(predicted), true_edge = boundary_map(truth);
  const int side = boundary.classes() + 1;
  for (size_t i = 0; i < true_edge.ids.size(); ++i) {
    // NumPy computes the index in one byte, so it wraps with 16 or more classes, as in detectron2.
    const auto index = static_cast<uint8_t>(side * predicted_edge.ids[i] + true_edge.ids[i]);
    ++boundary.counts()[index];
  }
}

}  // namespace pixelclip
