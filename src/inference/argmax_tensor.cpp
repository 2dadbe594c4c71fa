#include "inference/argmax_tensor.hpp"

#include <torch/utils.h>

#include <algorithm>

#include "base/error.hpp"
#include "image/opencv_resize.hpp"
#include "inference/argmax.hpp"
#ifdef PIXELCLIP_ARGMAX_KERNEL
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include "inference/argmax_kernel.hpp"
#endif
#include "inference/bilinear.hpp"

namespace pixelclip {
namespace {

using torch::Tensor;

LabelMap to_labels(const Tensor& labels, int64_t height, int64_t width) {
  const auto here = labels.to(torch::kCPU).contiguous();
  const auto* ids = here.const_data_ptr<int32_t>();
  return {height, width, {ids, ids + height * width}};
}

constexpr const char* kNotFinite = "a class score is not a finite number: the weights are damaged";

}  // namespace

LabelMap argmax_in_tiles(const Tensor& scores, int64_t height, int64_t width, int64_t values) {
  const torch::NoGradGuard no_grad;
  if (!torch::isfinite(scores).all().item<bool>()) fail(kNotFinite);
  const auto grid = scores.to(torch::kFloat);
  const TensorAxis rows(grid.size(1), height, grid.device()),
      columns(grid.size(2), width, grid.device());
  const auto wide = interpolate(grid, 2, columns.low, columns.high, columns.weight);  // [N, h, W]
  const int64_t at_once = std::max<int64_t>(1, values / (grid.size(0) * width));
  std::vector<Tensor> tiles;
  for (int64_t y = 0; y < height; y += at_once) {
    const auto part = [&](const Tensor& x) { return x.slice(0, y, std::min(height, y + at_once)); };
    const auto tile = interpolate(wide, 1, part(rows.low), part(rows.high), part(rows.weight));
    tiles.push_back(tile.argmax(0).to(torch::kInt));
  }
  return to_labels(torch::cat(tiles), height, width);
}

LabelMap argmax_upsampled(const Tensor& scores, int64_t height, int64_t width, int threads) {
  if (scores.scalar_type() == torch::kInt) {
    TORCH_CHECK(scores.dim() == 2, "labels of shape ", scores.sizes());
    return resize_nearest(to_labels(scores, scores.size(0), scores.size(1)), height, width);
  }
  const auto grid = scores.to(torch::kFloat).contiguous();
#ifdef PIXELCLIP_ARGMAX_KERNEL
  if (grid.is_cuda()) {
    const c10::cuda::CUDAGuard guard(grid.device());
    const auto labels = torch::empty({height, width}, grid.options().dtype(torch::kInt));
    const auto stream = c10::cuda::getCurrentCUDAStream(grid.device().index());
    if (argmax_kernel(grid.const_data_ptr<float>(), static_cast<int>(grid.size(0)),
                      static_cast<int>(grid.size(1)), static_cast<int>(grid.size(2)), height, width,
                      labels.data_ptr<int32_t>(), stream.stream())) {
      LabelMap map = to_labels(labels, height, width);
      if (std::find(map.ids.begin(), map.ids.end(), -1) != map.ids.end()) fail(kNotFinite);
      return map;
    }
  }
#endif
  if (!grid.is_cpu()) return argmax_in_tiles(grid, height, width);
  return argmax_upsampled(grid.const_data_ptr<float>(), static_cast<int>(grid.size(0)),
                          static_cast<int>(grid.size(1)), static_cast<int>(grid.size(2)), height,
                          width, threads);
}

}  // namespace pixelclip
