#pragma once

#include <torch/types.h>

#include <memory>

#include "clip/dense_method.hpp"
#include "config/model_config.hpp"

namespace pixelclip {

/// MODEL.DENSE as the encoder takes it.
DenseOptions dense_options(const ModelConfig& config);

/// The helper of MODEL.DENSE.HELPER_WEIGHTS on `device`; none where the method needs none. Errors:
/// the method needs one and none is named; weights that are no DINO or DINOv2.
std::shared_ptr<const DenseHelper> read_dense_helper(const ModelConfig& config,
                                                     torch::Device device);

/// Both; `helper`, where given, instead of the one of the keys.
DenseRecipe dense_recipe(const ModelConfig& config, torch::Device device,
                         std::shared_ptr<const DenseHelper> helper = nullptr);

}  // namespace pixelclip
