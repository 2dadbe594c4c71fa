#include "nn/functional.hpp"

#include <ATen/Context.h>
#include <ATen/autocast_mode.h>
#include <torch/utils.h>

namespace pixelclip {
using torch::Tensor;
namespace {

Tensor interpolate(const Tensor& x, int64_t height, int64_t width, Interpolation interpolation) {
  return interpolation == Interpolation::bilinear
             ? at::upsample_bilinear2d(x, {height, width}, /*align_corners=*/false)
             : at::upsample_bicubic2d(x, {height, width}, /*align_corners=*/false, std::nullopt,
                                      std::nullopt);
}

}  // namespace

Tensor resize_matrix(int64_t size, int64_t cells, const torch::TensorOptions& options,
                     Interpolation interpolation) {
  const auto each = torch::eye(cells, options.requires_grad(false)).view({1, 1, cells, cells});
  return interpolate(each, size, cells, interpolation).view({size, cells});
}

Tensor resize(const Tensor& x, int64_t height, int64_t width, Interpolation interpolation) {
  const bool backward = at::GradMode::is_enabled() && x.requires_grad();
  if (!backward || !x.is_cuda()) return interpolate(x, height, width, interpolation);
  const at::NoTF32Guard full_precision;
  const c10::impl::ExcludeDispatchKeyGuard no_autocast(c10::autocast_dispatch_keyset);
  const auto rows = resize_matrix(height, x.size(2), x.options(), interpolation);
  const auto columns = resize_matrix(width, x.size(3), x.options(), interpolation);
  return torch::matmul(rows, torch::matmul(x, columns.t()));
}

}  // namespace pixelclip
