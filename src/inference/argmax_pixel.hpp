#pragma once

#include <cstdint>

// Where a pixel lies on the grid, for the fused step on the CPU and the GPU's kernel; and the best
// class of one pixel, for the kernel alone, compiled for the CPU as well, where tests compare it.

#ifdef __CUDACC__
#define PIXELCLIP_DEVICE __host__ __device__ inline
#else
#define PIXELCLIP_DEVICE inline
#endif

namespace pixelclip {

/// Where an output index of one axis reads: a grid index, the next one, and the way between them
/// (PyTorch's rule without corner alignment, in single precision as there).
struct GridPlace {
  int low, high;
  float weight;
};

PIXELCLIP_DEVICE GridPlace place_on_grid(int64_t at, int64_t size, int grid) {
  const float wanted =
      (static_cast<float>(at) + 0.5f) * (static_cast<float>(grid) / static_cast<float>(size)) -
      0.5f;
  const float place = wanted > 0 ? wanted : 0;
  const int floor = static_cast<int>(place), low = floor < grid - 1 ? floor : grid - 1;
  return {low, low < grid - 1 ? low + 1 : low, place - static_cast<float>(low)};
}

/// The first class of `scores` [classes, h, w] that is best at a place; −1 when a score there is no
/// finite number.
PIXELCLIP_DEVICE int32_t argmax_at(const float* scores, int classes, int h, int w, GridPlace row,
                                   GridPlace column) {
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
