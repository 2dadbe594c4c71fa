#include "modeling/dense_recipe.hpp"

#include "base/error.hpp"
#include "base/log.hpp"
#include "clip/find_weights.hpp"
#include "clip/sources.hpp"
#include "modeling/dino.hpp"

namespace pixelclip {

DenseOptions dense_options(const ModelConfig& config) {
  const auto& dense = config.dense;
  return {.method = dense.method,
          .form = dense.form,
          .gaussian_std = dense.std,
          .beta = dense.beta,
          .gamma = dense.gamma};
}

std::shared_ptr<const DenseHelper> read_dense_helper(const ModelConfig& config,
                                                     torch::Device device) {
  const auto& dense = config.dense;
  if (!needs_helper(dense_options(config))) {
    if (!dense.helper_weights.empty())
      log::warn("the dense method ", dense.method, " has no helper: ", dense.helper_weights,
                " is not read");
    return nullptr;
  }
  if (dense.helper_weights.empty()) fail_without_helper(dense_options(config));
  const auto file = find_helper_weights(dense.helper_weights).string();
  return std::make_shared<DinoHelper>(file, device, config.clip_pixel_mean, config.clip_pixel_std);
}

DenseRecipe dense_recipe(const ModelConfig& config, torch::Device device,
                         std::shared_ptr<const DenseHelper> helper) {
  const auto options = dense_options(config);
  if (needs_helper(options) && !helper) helper = read_dense_helper(config, device);
  return {options, std::move(helper)};
}

}  // namespace pixelclip
