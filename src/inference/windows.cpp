#include "inference/windows.hpp"

#include <torch/utils.h>

namespace pixelclip {
using torch::Tensor;

std::vector<int64_t> window_starts(int64_t length, int64_t size, int64_t stride) {
  std::vector<int64_t> starts;
  for (int64_t at = 0; at + size < length; at += stride) starts.push_back(at);
  starts.push_back(length - size);
  return starts;
}

WindowMean::WindowMean(int64_t depth, int64_t height, int64_t width,
                       const torch::TensorOptions& options)
    : sum_(torch::zeros({depth, height, width}, options)),
      count_(torch::zeros({height, width}, options)) {}

void WindowMean::add(const Tensor& map, int64_t row, int64_t column) {
  const auto covered = [&](const Tensor& all, int64_t axis) {
    return all.narrow(axis, row, map.size(1)).narrow(axis + 1, column, map.size(2));
  };
  covered(sum_, 1).add_(map);
  covered(count_, 0).add_(1);
}

}  // namespace pixelclip
