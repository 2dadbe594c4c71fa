#pragma once

#include <torch/types.h>

#include <string>
#include <vector>

#include "base/geometry.hpp"
#include "image/image.hpp"

namespace pixelclip {

/// argmax over classes of `scores` [classes, h, w] resized bilinearly to height × width: by the
/// fused step (argmax.hpp) with `threads` on a CPU; where the scores are on a GPU by a kernel if
/// the program was built with nvcc, else in tiles. Labels [h, w] int32, where classes were
/// compared already, are resized to the nearest neighbor where their size differs.
LabelMap argmax_upsampled(const torch::Tensor& scores, int64_t height, int64_t width,
                          int threads = 1);

/// The same of several images; each has its size and a name, which errors begin with. Where the
/// scores are on a GPU the host waits once for the labels of all images.
std::vector<LabelMap> argmax_upsampled(const std::vector<torch::Tensor>& scores,
                                       const std::vector<Size2>& sizes,
                                       const std::vector<std::string>& names);

/// Interpolated scores that argmax_in_tiles() holds at once.
constexpr int64_t kValuesAtOnce = 1 << 25;

/// The same by LibTorch's operations on the device of `scores`, some rows at a time, so that about
/// `values` interpolated scores exist at once. Ties may go to any of the classes that share the
/// highest score.
LabelMap argmax_in_tiles(const torch::Tensor& scores, int64_t height, int64_t width,
                         int64_t values = kValuesAtOnce);

}  // namespace pixelclip
