#include "engine/protocol.hpp"

#include <torch/utils.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "clip/traits.hpp"
#include "config/class_names.hpp"
#include "evaluation/fingerprint.hpp"
#include "inference/views.hpp"
#include "modeling/dense_recipe.hpp"

namespace pixelclip {
namespace {

/// Activations and heads, which tensors do not show, where they differ from those of the paper's
/// ViT and ConvNeXt.
std::vector<std::string> unusual_traits(const ClipArchitecture& architecture) {
  auto usual = architecture;
  usual.text.activation = architecture.vit ? Activation::quick_gelu : Activation::gelu;
  usual.text.heads = std::max<int64_t>(1, architecture.text.width / 64);
  if (usual.vit) {
    usual.vit->activation = Activation::quick_gelu;
    usual.vit->heads = 0;
  }
  std::vector<std::string> traits;
  const auto record = record_of(usual);
  for (const auto& [key, text] : record_of(architecture)) {
    if (record.at(key) != text) traits.push_back(key + " " + text);
  }
  return traits;
}

/// The parameters whose name begins with `prefix` (or does not, when `without`).
std::map<std::string, torch::Tensor> parameters_of(const torch::nn::Module& module,
                                                   const std::string& prefix = "",
                                                   bool without = false) {
  std::map<std::string, torch::Tensor> tensors;
  for (const auto& item : module.named_parameters()) {
    if (item.key().starts_with(prefix) != without) tensors.emplace(item.key(), item.value());
  }
  return tensors;
}

/// Of `traits` and the tensors in order of their names.
std::string checksum(const std::map<std::string, torch::Tensor>& tensors,
                     const std::vector<std::string>& traits) {
  Fingerprint print;
  for (const auto& trait : traits) print.add(trait);
  for (const auto& [name, tensor] : tensors) {
    const auto bytes = tensor.detach().to(torch::kCPU).contiguous();
    print.add(name).add({static_cast<const char*>(bytes.const_data_ptr()), bytes.nbytes()});
  }
  return print.hex();
}

std::string checksum(PixelCLIP& model, const std::string& prefix, bool without = false) {
  return checksum(parameters_of(*model->clip(), prefix, without),
                  unusual_traits(model->clip()->architecture()));
}

nlohmann::json size(const Size2& size) { return {size.height, size.width}; }

/// The keys of MODEL.DENSE that the method reads, where it is not the default.
void add_dense(nlohmann::ordered_json& text, const ModelConfig& model) {
  const auto options = dense_options(model);
  const auto& dense = model.dense;
  if (is_default(options)) return;
  nlohmann::json keys = {to_string(dense.method)};
  if (dense.form != DenseForm::automatic) keys.push_back(to_string(dense.form));
  if (options.method == DenseMethod::naclip) keys.push_back(dense.std);
  if (needs_helper(options)) keys.insert(keys.end(), {dense.beta, dense.gamma});
  text["DENSE"] = keys;
}

}  // namespace

std::string protocol_text(const Config& config, const std::vector<std::string>& templates,
                          const DenseHelper* helper) {
  const auto& test = config.test;
  const auto& model = config.model;
  nlohmann::ordered_json text = {{"RULE", to_string(test.rule)},
                                 {"FORMAT", to_string(config.input.format)},
                                 {"CLIP_PIXEL_MEAN", model.clip_pixel_mean},
                                 {"CLIP_PIXEL_STD", model.clip_pixel_std},
                                 {"PRECISION", to_string(model.precision)},
                                 {"KEEP_ASPECT", test.keep_aspect},
                                 {"SYNONYMS", to_string(test.synonyms)},
                                 {"REFINE", to_string(test.refine)}};
  if (model.text_precision != FloatType::float32)
    text["TEXT_PRECISION"] = to_string(model.text_precision);
  // Keys of what is off decide nothing (see views_of).
  const auto& window = test.sliding_window;
  const bool pixels = test.scores == ScoreGrid::pixels;
  const bool own_shape = !window.enabled && !pixels && keeps_shape(test);
  if (pixels) text["SCORES"] = {"pixels", window.pad};
  if (test.resize != ImageResize::pillow) text["RESIZE"] = to_string(test.resize);
  if (test.short_side > 0 && (window.enabled || own_shape || pixels)) {
    text["SHORT_SIDE"] = test.short_side;
  } else {
    if (!window.enabled && !pixels) text["CLIP_RESOLUTION"] = size(model.clip_resolution);
    if (!own_shape) text["MIN_SIZE_TEST"] = config.input.min_size_test;
  }
  if (pixels || (!window.enabled && !own_shape)) text["MAX_SIZE_TEST"] = config.input.max_size_test;
  if (window.enabled)
    text["SLIDING_WINDOW"] = {size(window.size), size(window.stride), to_string(window.average)};
  if (test.aug.enabled) {
    text["AUG"] = {test.aug.min_sizes, test.aug.max_size, test.aug.flip};
    text["MIN_SIZE_TEST"] = config.input.min_size_test;  // what MIN_SIZES are multiples of
  }
  if (test.background.mode != BackgroundMode::by_name) {
    text["BACKGROUND"] = {to_string(test.background.mode), test.background.threshold,
                          test.background.scale};
    if (has_background_words(test.background))
      text["BACKGROUND"].push_back(read_class_names(test.background.words));
    if (test.background.area > 0) text["BACKGROUND"].push_back(test.background.area);
  }
  if (test.refine != Refinement::none)
    text["PAMR"] = {test.pamr.iterations, test.pamr.dilations, test.background.scale, "center"};
  add_dense(text, model);
  if (helper) text["HELPER"] = checksum(parameters_of(helper->module()), {});
  if (!config.datasets.exif_orientation) text["EXIF_ORIENTATION"] = false;
  if (!test.tuned_on.empty()) text["TUNED_ON"] = test.tuned_on;
  text["templates"] = templates;
  return text.dump(1);
}

std::string weights_checksum(PixelCLIP& model) { return checksum(model, ""); }

std::string text_checksum(PixelCLIP& model) { return checksum(model, "visual.", /*without=*/true); }

}  // namespace pixelclip
