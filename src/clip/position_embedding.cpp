#include "clip/position_embedding.hpp"

#include <torch/utils.h>

#include <cmath>

#include "nn/functional.hpp"

namespace pixelclip {
using torch::Tensor;

Tensor resize_positions(const Tensor& positions, int64_t height, int64_t width, PositionRule rule) {
  const auto grid = static_cast<int64_t>(std::lround(std::sqrt(positions.size(0) - 1.0)));
  if (height == grid && width == grid) return positions;
  const auto patches = positions.slice(0, 1).view({1, grid, grid, -1}).permute({0, 3, 1, 2});
  const auto factor = [&](int64_t side) {
    return (static_cast<double>(side) + 0.1) / static_cast<double>(grid);
  };
  const auto resized =
      rule == PositionRule::plain ? resize(patches, height, width, Interpolation::bicubic)
      : rule == PositionRule::antialiased
          ? at::_upsample_bicubic2d_aa(patches, {height, width}, /*align_corners=*/false)
          : at::upsample_bicubic2d(patches, {height, width}, /*align_corners=*/false,
                                   factor(height), factor(width));
  return torch::cat({positions.slice(0, 0, 1), resized.flatten(2).squeeze(0).t()});
}

}  // namespace pixelclip
