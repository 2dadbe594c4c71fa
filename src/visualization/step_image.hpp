#pragma once

#include <torch/types.h>

#include "image/image.hpp"
#include "modeling/sample.hpp"

namespace pixelclip {

/// Visualizes one training image of a step as four tiles on the mask grid: the image, its masks
/// (one color each), the clusters they were assigned to (one color per cluster, the same in all
/// images), and the student's best cluster at each position. `bits` [M, H, ceil(W / 8)],
/// `assignment` [M], `logits` [K, H, W].
Image step_image(const TrainSample& sample, const torch::Tensor& bits,
                 const torch::Tensor& assignment, const torch::Tensor& logits);

}  // namespace pixelclip
