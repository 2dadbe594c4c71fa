#include "modeling/pixelclip.hpp"

#include <ATen/CPUGeneratorImpl.h>
#include <torch/utils.h>

#include <algorithm>
#include <mutex>

#include "base/error.hpp"
#include "nn/autocast.hpp"
#include "nn/functional.hpp"
#include "text/prompts.hpp"

namespace pixelclip {
using torch::Tensor;
namespace {

constexpr double kMomentum = 0.999;

/// What all images of a batch are padded to.
Size2 frame_of(const TrainBatch& batch) {
  Size2 frame{0, 0};
  for (const auto& sample : batch) {
    frame = {std::max(frame.height, sample.frame.height),
             std::max(frame.width, sample.frame.width)};
  }
  return frame;
}

/// The architecture with training's stochastic depth.
ClipArchitecture with_drop_path(ClipArchitecture architecture, double rate) {
  if (architecture.convnext) architecture.convnext->drop_path_rate = rate;
  return architecture;
}

}  // namespace

std::vector<std::string> class_templates(const ModelConfig& config) {
  return templates(config.prompt_templates_file.empty() ? config.prompt_ensemble_type
                                                        : config.prompt_templates_file);
}

PredictorImpl::PredictorImpl(const ClipArchitecture& architecture, int64_t clusters,
                             int64_t length) {
  prompt_tokens = register_parameter("prompt_tokens",
                                     torch::zeros({clusters, length, architecture.text.width}));
  clip_model = register_module("clip_model", CLIP(architecture));
}

SemSegHeadImpl::SemSegHeadImpl(Predictor predictor_module) {
  predictor = register_module("predictor", std::move(predictor_module));
}

TeacherEncoderImpl::TeacherEncoderImpl(const ClipArchitecture& architecture, CLIP& student)
    : visual(make_image_encoder(architecture)) {
  register_module("visual", visual);
  for (const auto& item : student->named_parameters()) {
    const auto& name = item.key();
    if (name.starts_with("visual.") || name.starts_with("transformer.")) continue;
    const auto dot = name.find('.');
    if (dot == std::string::npos) {
      register_buffer(name, item.value().detach());
      continue;
    }
    const auto child = name.substr(0, dot);
    const auto children = named_children();  // a copy, which `found` points into
    const auto* found = children.find(child);
    auto owner =
        found ? *found : register_module(child, std::make_shared<torch::nn::ModuleDictImpl>());
    owner->register_buffer(name.substr(dot + 1), item.value().detach());
  }
}

PixelCLIPImpl::PixelCLIPImpl(const Config& config, const ClipArchitecture& architecture)
    : config_(config.model), statistics_(config_.clip_pixel_mean, config_.clip_pixel_std) {
  const auto& head_config = config_.sem_seg_head;
  templates_ = prompt_templates(class_templates(config_), head_config.prompt_length);
  if (config.solver.amp.enabled) training_type_ = autocast_type(config.solver.amp.dtype);
  inference_type_ = autocast_type(config_.precision);
  sem_seg_head = register_module(
      "sem_seg_head", SemSegHead(Predictor(with_drop_path(architecture, config_.drop_path_rate),
                                           head_config.num_classes, head_config.prompt_length)));
  const double teacher_rate = config_.teacher_drop_path ? config_.drop_path_rate : 0.0;
  teacher_encoder = register_module(
      "teacher_encoder", TeacherEncoder(with_drop_path(architecture, teacher_rate), clip()));
  head = register_module("head", ConvHead());
}

void PixelCLIPImpl::start_from_clip(const StateDict& weights, const std::string& source) {
  load_into(*clip(), weights, {.source = source, .must_be_known = {"visual.", "transformer."}});
  StateDict visual;
  for (const auto& [name, tensor] : weights) {
    if (name.starts_with("visual.")) visual.emplace(name.substr(7), tensor);
  }
  load_into(*teacher_encoder->visual, visual, {.source = source});
  torch::NoGradGuard no_grad;
  prompt_tokens().copy_(
      initial_prompt_tokens(clip(), prompt_tokens().size(0), prompt_tokens().size(1)));
  start_decoder();
}

/// The public model seeds all draws with 0, takes those of the prompts' words, then makes its
/// decoder: it starts alike whatever SEED is.
void PixelCLIPImpl::start_decoder() {
  auto generator = at::detail::getDefaultCPUGenerator();  // the one that new layers draw from
  const auto locked = [&] { return std::scoped_lock(generator.mutex()); };
  const auto before = (locked(), generator.get_state());
  (locked(), generator.set_current_seed(0));
  initial_prompt_ids(clip(), prompt_tokens().size(0), prompt_tokens().size(1), generator);
  const ConvHead fresh;
  (locked(), generator.set_state(before));
  torch::NoGradGuard no_grad;
  const auto to = head->parameters(), from = fresh->parameters();
  for (size_t i = 0; i < to.size(); ++i) to[i].copy_(from[i]);
}

void PixelCLIPImpl::update_teacher() {
  torch::NoGradGuard no_grad;
  const auto teacher = teacher_encoder->visual->parameters();
  const auto student = clip()->visual->parameters();
  at::_foreach_mul_(teacher, kMomentum);
  at::_foreach_add_(teacher, student, 1.0 - kMomentum);
}

Tensor PixelCLIPImpl::encode_clusters() {
  const Autocast autocast(device(), training_type_);
  return encode_prompts(clip(), prompt_tokens(), templates_).to(torch::kFloat);
}

Tensor PixelCLIPImpl::encode(const ImageEncoder& encoder, std::optional<torch::ScalarType> type,
                             const std::vector<Tensor>& images, Size2 frame) {
  if (statistics_.mean.device() != device())
    statistics_ = {config_.clip_pixel_mean, config_.clip_pixel_std, device()};
  for (const auto& image : images) {
    frame = {std::max(frame.height, image.size(1)), std::max(frame.width, image.size(2))};
  }
  const DenseEncoder dense(encoder, statistics_, type);
  const auto [height, width] = config_.clip_resolution;
  std::vector<Tensor> inputs;
  for (const auto& image : images)
    inputs.push_back(dense.input(image, height, width, frame.height, frame.width));
  return dense.dense(torch::cat(inputs));
}

Tensor PixelCLIPImpl::dense_features(const std::vector<Tensor>& images, const Size2& frame) {
  return l2_normalise(encode(clip()->visual, is_training() ? training_type_ : inference_type_,
                             images, frame));  // [B, h, w, C]
}

Tensor PixelCLIPImpl::teacher_features(const TrainBatch& batch) {
  torch::NoGradGuard no_grad;
  std::vector<Tensor> images;
  for (const auto& sample : batch) images.push_back(sample.image);
  return encode(teacher_encoder->visual, training_type_, images, frame_of(batch));
}

TaughtBatch PixelCLIPImpl::teach(const TrainBatch& batch, const Tensor& clusters) {
  torch::NoGradGuard no_grad;
  TaughtBatch taught;
  const auto features = teacher_features(batch);
  std::vector<Tensor> pooled;
  for (size_t i = 0; i < batch.size(); ++i) {
    const auto bits = batch[i].mask_bits.to(device(), torch::kUInt8, /*non_blocking=*/true);
    const auto masks = unpack_masks(bits, config_.mask_resolution.width);
    auto kept = masks.sum({1, 2}).gt(1).nonzero().flatten();
    if (config_.limit_masks) kept = kept.slice(0, 0, config_.max_masks);
    taught.mask_bits.push_back(bits.index_select(0, kept));
    pooled.push_back(pool_masks(features[i], masks.index_select(0, kept)));
  }
  taught.features = torch::cat(pooled);
  taught.logits = config_.eps *
                  torch::matmul(l2_normalise(taught.features), l2_normalise(clusters.detach()).t());
  return taught;
}

std::vector<Tensor> PixelCLIPImpl::merged_targets(const TaughtBatch& taught,
                                                  const Tensor& assignment) const {
  std::vector<Tensor> targets;
  int64_t first = 0;
  for (const auto& bits : taught.mask_bits) {
    const int64_t count = bits.size(0);
    targets.push_back(merge_masks(unpack_masks(bits, config_.mask_resolution.width),
                                  assignment.slice(0, first, first + count),
                                  config_.sem_seg_head.num_classes));
    first += count;
  }
  return targets;
}

Tensor PixelCLIPImpl::cost_maps(const TrainBatch& batch, const Tensor& clusters) {
  std::vector<Tensor> images;
  for (const auto& sample : batch) {
    images.push_back(sample.image_strong.defined() ? sample.image_strong : sample.image);
  }
  const auto features = dense_features(images, frame_of(batch));  // [B, h, w, C]
  const auto cost = torch::matmul(l2_normalise(clusters), features.flatten(1, 2).transpose(1, 2));
  return cost.view({cost.size(0), cost.size(1), features.size(1), features.size(2)});
}

Tensor PixelCLIPImpl::decode(const Tensor& cost) {
  const Autocast autocast(device(), training_type_);
  const auto maps = head(cost.reshape({-1, 1, cost.size(2), cost.size(3)})).to(torch::kFloat);
  const auto logits =
      resize_bilinear(maps, config_.mask_resolution.height, config_.mask_resolution.width);
  return logits.view({cost.size(0), cost.size(1), logits.size(2), logits.size(3)});
}

Tensor PixelCLIPImpl::mask_loss(const Tensor& logits, const TaughtBatch& taught,
                                const Tensor& assignment) const {
  const auto target = torch::stack(merged_targets(taught, assignment));  // [B, K, H, W]
  const auto covered = target.amax(1, /*keepdim=*/true);                 // [B, 1, H, W]
  const auto pixels = covered.sum().clamp_min(1);
  const auto losses = at::binary_cross_entropy_with_logits(
      logits, target, covered.expand_as(target), {}, at::Reduction::Sum);
  return losses / (pixels * logits.size(1));
}

Tensor PixelCLIPImpl::student_loss(const TrainBatch& batch, const TaughtBatch& taught,
                                   const Tensor& assignment, const Tensor& clusters) {
  return mask_loss(decode(cost_maps(batch, clusters)), taught, assignment);
}

double PixelCLIPImpl::teacher_distance() const {
  torch::NoGradGuard no_grad;
  const auto student = clip()->visual->parameters();
  const auto length = [](const std::vector<Tensor>& tensors) {
    return torch::stack(at::_foreach_norm(tensors, 2.0)).norm().item<double>();
  };
  return length(at::_foreach_sub(teacher_encoder->visual->parameters(), student)) / length(student);
}

Tensor PixelCLIPImpl::class_embeddings(const std::vector<std::string>& names,
                                       const std::vector<std::string>& sentences) {
  if (config_.text_precision != "float16")
    return l2_normalise(encode_classes(clip(), names, sentences).mean(0));
  const auto text = float16_text_encoder(*clip());
  return l2_normalise(encode_classes(*text, clip()->cuts_long_texts(), names, sentences).mean(0));
}

void set_trainable(PixelCLIP& model, const std::string& finetune) {
  const auto trains = [&](const std::string& name) {
    const auto holds = [&](const char* word) { return name.find(word) != std::string::npos; };
    if (finetune == "attention") return holds("attn") || holds("position");
    if (finetune == "full") return true;
    if (finetune == "conv" || finetune == "prompt") return holds(finetune.c_str());
    return false;
  };
  for (auto& parameter : model->parameters()) parameter.set_requires_grad(false);
  int64_t matched = 0;
  for (auto& item : model->clip()->visual->named_parameters()) {
    item.value().set_requires_grad(trains(item.key()));
    matched += trains(item.key());
  }
  if (matched == 0 && (finetune == "attention" || finetune == "conv")) {
    fail("MODEL.SEM_SEG_HEAD.CLIP_FINETUNE \"", finetune, "\" matches no parameter of this image ",
         "encoder: use \"full\", \"attention\" (ViT) or \"conv\" (ConvNeXt)");
  }
  model->prompt_tokens().set_requires_grad(true);
  for (auto& item : model->named_parameters()) {
    if (item.key().starts_with("head.")) item.value().set_requires_grad(true);
  }
}

}  // namespace pixelclip
