#include "engine/build.hpp"

#include "modeling/configured_traits.hpp"

#include <malloc.h>
#include <torch/cuda.h>

#include <algorithm>
#include <limits>
#include <mutex>

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/parallel.hpp"
#include "clip/sources.hpp"

namespace pixelclip {
namespace {

constexpr char kPrompts[] = "sem_seg_head.predictor.prompt_tokens";

/// Training with MODEL.DINO keeps the frozen DINO beside the model.
bool holds_dino(const StateDict& weights) {
  const auto first = weights.lower_bound("dino.");
  return first != weights.end() && first->first.starts_with("dino.");
}

/// What MODEL.WEIGHTS or, without it, CLIP_PRETRAINED names.
const std::string& asked_for(const Config& config) {
  const auto& checkpoint = config.model.weights;
  return checkpoint.empty() ? config.model.sem_seg_head.clip_pretrained : checkpoint;
}

/// A wrong number of clusters would only show as a wrong shape; say what to set instead.
void check_prompts(const Config& config, const StateDict& weights, const std::string& path) {
  const auto found = weights.find(kPrompts);
  const auto& head = config.model.sem_seg_head;
  if (found == weights.end() || found->second.dim() != 3) return;  // the strict load names it
  const auto shape = found->second.sizes();
  if (shape[0] != head.num_classes || shape[1] != head.prompt_length) {
    fail(path, " holds ", shape[0], " clusters of ", shape[1], " tokens, the config says ",
         head.num_classes, " of ", head.prompt_length, ": set MODEL.SEM_SEG_HEAD.NUM_CLASSES ",
         shape[0], " MODEL.SEM_SEG_HEAD.PROMPT_LENGTH ", shape[1]);
  }
}

/// The system's allocator returns large blocks at once, and a step on the CPU that asks for the
/// same hundreds of megabytes again spends up to a quarter of its time on clearing fresh pages.
void keep_freed_memory() {
#ifdef __GLIBC__
  mallopt(M_MMAP_MAX, 0);
  mallopt(M_TRIM_THRESHOLD, std::numeric_limits<int>::max());
#endif
}

}  // namespace

void set_up_torch(const Config& config, int processes) {
  at::set_num_threads(std::max(1, available_cores() / std::max(1, processes)));
  at::globalContext().setBenchmarkCuDNN(config.cudnn_benchmark);
  // TF32 on GPUs, as in the paper, unless the configuration says otherwise.
  const std::string& precision = config.float32_precision;
  at::globalContext().setFloat32MatmulPrecision(precision.empty() ? "high" : precision);
  at::globalContext().setAllowTF32CuDNN(precision != "highest");
  keep_freed_memory();
}

torch::Device pick_device(const Config& config, int local_rank) {
  const torch::Device wanted(config.model.device);
  if (!wanted.is_cuda()) return wanted;
  if (!torch::cuda::is_available()) {
    static std::once_flag said;  // a run asks more than once
    std::call_once(said, [] {
      log::warn("no GPU can be used here: running on the CPU (MODEL.DEVICE cpu silences this)");
    });
    return torch::kCPU;
  }
  if (wanted.has_index()) return wanted;
  return {torch::kCUDA, static_cast<c10::DeviceIndex>(local_rank % torch::cuda::device_count())};
}

ClipArchitecture checkpoint_architecture(const Config& config, const StateDict& weights,
                                         const std::string& source, const Dict& entries) {
  check_prompts(config, weights, source);
  return understand_pixelclip(weights, source, entries, configured_traits(config));
}

PixelCLIP make_model(const Config& config, const ClipArchitecture& architecture) {
  PixelCLIP model(config, architecture);
  set_trainable(model, config.model.sem_seg_head.clip_finetune);
  return model;
}

void load_checkpoint(PixelCLIP& model, const StateDict& weights, const std::string& source) {
  load_into(*model, weights, {.source = source, .may_be_unused = {"dino."}});
}

LoadedModel load_model(const Config& config, torch::Device device) {
  LoadedModel loaded;
  loaded.source = find_weights(asked_for(config));
  const auto name = loaded.source.string();
  const WeightsFile file = read_weights_file(loaded.source);
  const StateDict weights = to_state_dict(file);
  if (is_pixelclip(weights) && !config.model.weights.empty()) {
    loaded.architecture = checkpoint_architecture(config, weights, name, file.rest);
    log::info("weights from ", name, ": PixelCLIP, ", loaded.architecture.describe());
    loaded.model = make_model(config, loaded.architecture);
    load_checkpoint(loaded.model, weights, name);
    loaded.dino_masks = holds_dino(weights);
  } else {
    const auto clip =
        open_clip(file, weights, asked_for(config), loaded.source, configured_traits(config));
    loaded.architecture = clip.architecture;
    log::info("starting from the CLIP in ", name, ": ", loaded.architecture.describe());
    loaded.model = make_model(config, loaded.architecture);
    loaded.model->start_from_clip(clip.weights, name);
    loaded.plain_clip = true;
  }
  loaded.model->to(device);
  return loaded;
}

PixelCLIP build_model(const Config& config, torch::Device device) {
  return load_model(config, device).model;
}

void check_weights(const Config& config) {
  const auto source = find_weights(asked_for(config));
  const WeightsFile file = read_weights_file(source);
  StateDict shapes = by_name(file);
  // Tensors without data: renaming would copy some of them.
  for (auto& [name, tensor] : shapes)
    tensor = torch::empty(tensor.sizes(), tensor.options().device(torch::kMeta));
  if (is_pixelclip(shapes) && !config.model.weights.empty())
    check_prompts(config, shapes, source.string());
  understand(file, shapes, asked_for(config), source, configured_traits(config), /*say=*/false);
}

}  // namespace pixelclip
