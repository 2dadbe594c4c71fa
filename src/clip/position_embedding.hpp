#pragma once

#include <torch/types.h>

namespace pixelclip {

/// How programs resize a learned position embedding to another grid. All resize bicubically
/// (A = −0.75) with align_corners = false, and all keep it as it is on the grid it was made for.
enum class PositionRule {
  plain,   ///< to the size (PixelCLIP)
  offset,  ///< by the factor (n + 0.1) / grid a side (DINO, DINOv2 and the training-free methods)
  antialiased  ///< to the size, with antialiasing (DINOv2 with registers)
};

/// The position embedding [1 + g·g, W] on an h×w grid, [1 + h·w, W]: the class token's row stays,
/// the rest is resized.
torch::Tensor resize_positions(const torch::Tensor& positions, int64_t height, int64_t width,
                               PositionRule rule = PositionRule::plain);

}  // namespace pixelclip
