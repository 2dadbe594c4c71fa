#pragma once

#include <torch/types.h>

#include "config/config.hpp"

namespace pixelclip {

/// Pixel-adaptive mask refinement (Araslanov and Roth, CVPR 2020, §3.3): `masks` [N, H, W] become,
/// in each iteration, the mean over the eight neighbours at each of `dilations` pixels, weighed by
/// how similar the pixels of `image` [3, H, W] are. Costs 8 · dilations · iterations passes over
/// the masks.
torch::Tensor refine_pamr(const torch::Tensor& masks, const torch::Tensor& image,
                          const PamrConfig& config);

}  // namespace pixelclip
