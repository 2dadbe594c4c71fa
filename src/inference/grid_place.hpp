#pragma once

#include <cstdint>

#ifdef __CUDACC__
#define PIXELCLIP_DEVICE __host__ __device__ inline
#else
#define PIXELCLIP_DEVICE inline
#endif

namespace pixelclip {

/// What a pixel reads of one axis of a grid: between index `low` and the next, `weight` of the way.
template <typename Real>
struct GridPlace {
  int low, high;
  Real weight;
};

/// PyTorch's rule of bilinear resizing without corner alignment: the place on an axis of `grid`
/// indices of pixel `at` of `size`. PyTorch computes it in single precision.
template <typename Real = float>
PIXELCLIP_DEVICE GridPlace<Real> place_on_grid(int64_t at, int64_t size, int grid) {
  const Real half = static_cast<Real>(0.5);
  const Real wanted =
      (static_cast<Real>(at) + half) * (static_cast<Real>(grid) / static_cast<Real>(size)) - half;
  const Real place = wanted > 0 ? wanted : 0;
  const int floor = static_cast<int>(place), low = floor < grid - 1 ? floor : grid - 1;
  return {low, low < grid - 1 ? low + 1 : low, place - static_cast<Real>(low)};
}

}  // namespace pixelclip
