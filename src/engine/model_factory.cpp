#include "engine/model_factory.hpp"

#include "base/error.hpp"
#include "base/log.hpp"
#include "clip/find_weights.hpp"
#include "clip/open_clip.hpp"
#include "clip/sources.hpp"
#include "io/load_into.hpp"
#include "modeling/configured_traits.hpp"
#include "modeling/dense_recipe.hpp"

namespace pixelclip {
namespace {

constexpr char kPrompts[] = "sem_seg_head.predictor.prompt_tokens";

/// Training with MODEL.DINO keeps the frozen DINO beside the model.
bool holds_dino(const StateDict& weights) {
  const auto first = weights.lower_bound("dino.");
  return first != weights.end() && first->first.starts_with("dino.");
}

/// What MODEL.WEIGHTS or, without it, CLIP_PRETRAINED names.
const std::string& asked_for(const ModelConfig& config) {
  return config.weights.empty() ? config.sem_seg_head.clip_pretrained : config.weights;
}

/// A wrong number of clusters would only show as a wrong shape; say what to set instead.
void check_prompts(const SemSegHeadConfig& head, const StateDict& weights,
                   const std::string& path) {
  const auto found = weights.find(kPrompts);
  if (found == weights.end() || found->second.dim() != 3) return;  // the strict load names it
  const auto shape = found->second.sizes();
  if (shape[0] != head.num_classes || shape[1] != head.prompt_length) {
    fail(path, " holds ", shape[0], " clusters of ", shape[1], " tokens, the config says ",
         head.num_classes, " of ", head.prompt_length, ": set MODEL.SEM_SEG_HEAD.NUM_CLASSES ",
         shape[0], " MODEL.SEM_SEG_HEAD.PROMPT_LENGTH ", shape[1]);
  }
}

}  // namespace

ClipArchitecture checkpoint_architecture(const SemSegHeadConfig& head, const StateDict& weights,
                                         const std::string& source, const Dict& entries) {
  check_prompts(head, weights, source);
  return analyze_pixelclip(weights, source, entries, configured_traits(head));
}

PixelCLIP make_model(const ModelConfig& config, const ClipArchitecture& architecture,
                     const AmpConfig& amp) {
  PixelCLIP model(config, architecture, amp);
  set_trainable(model, config.sem_seg_head.clip_finetune);
  return model;
}

void load_checkpoint(PixelCLIP& model, const StateDict& weights, const std::string& source) {
  load_into(*model, weights, {.source = source, .may_be_unused = {"dino."}});
}

LoadedModel load_model(const ModelConfig& config, torch::Device device, const AmpConfig& amp) {
  LoadedModel loaded;
  loaded.source = find_weights(asked_for(config));
  const auto name = loaded.source.string();
  const WeightsFile file = read_weights_file(loaded.source);
  const StateDict weights = to_state_dict(file);
  if (is_pixelclip(weights) && !config.weights.empty()) {
    loaded.architecture = checkpoint_architecture(config.sem_seg_head, weights, name, file.rest);
    log::info("weights from ", name, ": PixelCLIP, ", loaded.architecture.describe());
    loaded.model = make_model(config, loaded.architecture, amp);
    load_checkpoint(loaded.model, weights, name);
    loaded.dino_masks = holds_dino(weights);
  } else {
    const auto clip = open_clip(file, weights, asked_for(config), loaded.source,
                                configured_traits(config.sem_seg_head));
    loaded.architecture = clip.architecture;
    log::info("starting from the CLIP in ", name, ": ", loaded.architecture.describe());
    loaded.model = make_model(config, loaded.architecture, amp);
    loaded.model->start_from_clip(clip.weights, name);
    loaded.plain_clip = true;
  }
  loaded.model->to(device);
  return loaded;
}

PixelCLIP build_model(const ModelConfig& config, torch::Device device, const AmpConfig& amp) {
  return load_model(config, device, amp).model;
}

void check_weights(const ModelConfig& config) {
  const auto source = find_weights(asked_for(config));
  const WeightsFile file = read_weights_file(source);
  StateDict shapes = by_name(file);
  // Tensors without data: renaming would copy some of them.
  for (auto& [name, tensor] : shapes)
    tensor = torch::empty(tensor.sizes(), tensor.options().device(torch::kMeta));
  if (is_pixelclip(shapes) && !config.weights.empty())
    check_prompts(config.sem_seg_head, shapes, source.string());
  const auto architecture = analyze_clip(file, shapes, asked_for(config), source,
                                         configured_traits(config.sem_seg_head), /*say=*/false);
  check_dense(architecture, dense_options(config));
}

}  // namespace pixelclip
