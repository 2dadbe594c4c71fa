#pragma once

#include <torch/types.h>

#include <optional>

namespace pixelclip {

/// Labels [height, width] int32 of `scores` [classes, h, w] on a GPU by the program's own kernel,
/// on the current stream; −1 where a score is not finite. None where the program was built without
/// nvcc or the GPU cannot run it.
std::optional<torch::Tensor> kernel_labels(const torch::Tensor& scores, int64_t height,
                                           int64_t width);

}  // namespace pixelclip
