#pragma once

#include <torch/nn/functional/normalization.h>

namespace pixelclip {

/// Each vector of the last dimension divided by its L2 norm.
inline torch::Tensor l2_normalise(const torch::Tensor& x) {
  return torch::nn::functional::normalize(x, torch::nn::functional::NormalizeFuncOptions().dim(-1));
}

/// Bilinear without antialiasing, align_corners=false. [B, C, h, w] → [B, C, height, width].
inline torch::Tensor resize_bilinear(const torch::Tensor& x, int64_t height, int64_t width) {
  return at::upsample_bilinear2d(x, {height, width}, /*align_corners=*/false);
}

}  // namespace pixelclip
