#pragma once

#include "inference/grid_place.hpp"

// The best class of one pixel, for the GPU's kernel; compiled for the CPU as well, where tests
// compare it with the fused step.

namespace pixelclip {

/// The first class of `scores` [classes, h, w] that is best at a place; −1 when a score there is
/// not finite.
PIXELCLIP_DEVICE int32_t argmax_at(const float* scores, int classes, int h, int w,
                                   GridPlace<float> row, GridPlace<float> column) {
  const float* top = scores + static_cast<int64_t>(row.low) * w;
  const float* bottom = scores + static_cast<int64_t>(row.high) * w;
  float best = 0;
  int32_t winner = -1;
  for (int c = 0; c < classes; ++c, top += h * w, bottom += h * w) {
    const float above = top[column.low] + column.weight * (top[column.high] - top[column.low]);
    const float below =
        bottom[column.low] + column.weight * (bottom[column.high] - bottom[column.low]);
    const float score = above + row.weight * (below - above);
    if (score - score != 0) return -1;  // infinite, or no number
    if (winner < 0 || score > best) best = score, winner = c;
  }
  return winner;
}

}  // namespace pixelclip
