#include "inference/argmax_gpu.hpp"

#ifdef PIXELCLIP_ARGMAX_KERNEL
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <torch/utils.h>

#include "inference/argmax_kernel.hpp"
#endif

namespace pixelclip {

#ifdef PIXELCLIP_ARGMAX_KERNEL
std::optional<torch::Tensor> kernel_labels(const torch::Tensor& scores, int64_t height,
                                           int64_t width) {
  const auto grid = scores.to(torch::kFloat).contiguous();
  const c10::cuda::CUDAGuard guard(grid.device());
  const auto labels = torch::empty({height, width}, grid.options().dtype(torch::kInt));
  const auto stream = c10::cuda::getCurrentCUDAStream(grid.device().index());
  const bool done = argmax_kernel(grid.const_data_ptr<float>(), static_cast<int>(grid.size(0)),
                                  static_cast<int>(grid.size(1)), static_cast<int>(grid.size(2)),
                                  height, width, labels.data_ptr<int32_t>(), stream.stream());
  return done ? std::optional(labels) : std::nullopt;
}
#else
std::optional<torch::Tensor> kernel_labels(const torch::Tensor&, int64_t, int64_t) { return {}; }
#endif

}  // namespace pixelclip
