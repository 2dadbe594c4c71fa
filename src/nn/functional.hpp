#pragma once

#include <torch/nn/functional/normalization.h>
#include <torch/types.h>

namespace pixelclip {

/// Each vector of the last dimension divided by its L2 norm.
inline torch::Tensor l2_normalise(const torch::Tensor& x) {
  return torch::nn::functional::normalize(x, torch::nn::functional::NormalizeFuncOptions().dim(-1));
}

enum class Interpolation { bilinear, bicubic };

/// [size, cells]: what each of `size` positions takes from each of `cells` when these are resized
/// along one axis, by PyTorch's own rule without antialiasing, align_corners=false.
torch::Tensor resize_matrix(int64_t size, int64_t cells, const torch::TensorOptions& options,
                            Interpolation interpolation = Interpolation::bilinear);

/// Resizes [B, C, h, w] → [B, C, height, width] without antialiasing, align_corners=false. Where a
/// GPU keeps it for a backward pass, it is the product with a matrix for the rows and one for the
/// columns: LibTorch's backward pass of a resize adds atomically, slowly and in any order.
torch::Tensor resize(const torch::Tensor& x, int64_t height, int64_t width,
                     Interpolation interpolation);

inline torch::Tensor resize_bilinear(const torch::Tensor& x, int64_t height, int64_t width) {
  return resize(x, height, width, Interpolation::bilinear);
}

}  // namespace pixelclip
