#pragma once

#include <torch/types.h>

#include "image/image.hpp"
#include "modeling/sample.hpp"

namespace pixelclip {

/// What one training image looked like to a step, four tiles beside one another on the masks'
/// grid: the image, its masks (each its own color), the clusters they were assigned to (each
/// cluster its own color, the same in every image), and the cluster that the student predicts
/// most at every position. `bits` [M, H, ceil(W / 8)], `assignment` [M], `logits` [K, H, W].
Image step_image(const TrainSample& sample, const torch::Tensor& bits,
                 const torch::Tensor& assignment, const torch::Tensor& logits);

}  // namespace pixelclip
