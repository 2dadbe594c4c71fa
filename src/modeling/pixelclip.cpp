#include "modeling/pixelclip.hpp"

#include <torch/utils.h>

#include <algorithm>

#include "base/error.hpp"
#include "io/load_into.hpp"
#include "nn/autocast.hpp"
#include "nn/functional.hpp"
#include "nn/seeded_init.hpp"
#include "text/prompts.hpp"

namespace pixelclip {
using torch::Tensor;
namespace {

constexpr double kMomentum = 0.999;

/// Images [B, 3, H, W] with zeros outside of each one's own size.
Tensor zero_outside(const Tensor& images, const Tensor& sizes) {
  const auto inside = [&](int64_t dim) {
    return torch::arange(images.size(2 + dim), sizes.options()).lt(sizes[dim].unsqueeze(1));
  };
  return images * inside(0).unsqueeze(2).logical_and(inside(1).unsqueeze(1)).unsqueeze(1);
}

/// The architecture with stochastic depth of `rate` and the configured memory layout.
ClipArchitecture configured(ClipArchitecture architecture, const ModelConfig& config, double rate) {
  if (!architecture.convnext) return architecture;
  architecture.convnext->drop_path_rate = rate;
  architecture.convnext->depthwise_channels_last = config.depthwise_channels_last;
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

TeacherEncoderImpl::TeacherEncoderImpl(const ClipArchitecture& architecture, const CLIP& student)
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

void TeacherEncoderImpl::share_text(const CLIP& student) {
  const auto text = student->named_parameters();
  for (auto& item : named_buffers()) item.value().set_data(text[item.key()].detach());
}

PixelCLIPImpl::PixelCLIPImpl(const ModelConfig& config, const ClipArchitecture& architecture,
                             const AmpConfig& amp)
    : config_(config), statistics_(config_.clip_pixel_mean, config_.clip_pixel_std) {
  const auto& head_config = config_.sem_seg_head;
  templates_ = prompt_templates(class_templates(config_), head_config.prompt_length);
  if (amp.enabled) training_type_ = autocast_type(to_string(amp.dtype));
  inference_type_ = autocast_type(to_string(config_.precision));
  sem_seg_head = register_module(
      "sem_seg_head",
      SemSegHead(Predictor(configured(architecture, config_, config_.drop_path_rate),
                           head_config.num_classes, head_config.prompt_length)));
  const double teacher_rate = config_.teacher_drop_path ? config_.drop_path_rate : 0.0;
  teacher_encoder = register_module(
      "teacher_encoder", TeacherEncoder(configured(architecture, config_, teacher_rate), clip()));
  head = register_module("head", ConvHead());
}

void PixelCLIPImpl::to(torch::Device device, torch::Dtype dtype, bool non_blocking) {
  Module::to(dtype, non_blocking);
  to(device, non_blocking);
}

void PixelCLIPImpl::to(torch::Dtype dtype, bool non_blocking) {
  Module::to(dtype, non_blocking);
  teacher_encoder->share_text(clip());
}

void PixelCLIPImpl::to(torch::Device device, bool non_blocking) {
  Module::to(device, non_blocking);
  teacher_encoder->share_text(clip());
  statistics_ = {config_.clip_pixel_mean, config_.clip_pixel_std, device};
  for (auto& prompt : templates_) prompt = prompt.to(device);
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
  const SeededInit seeded(0);
  initial_prompt_ids(clip(), prompt_tokens().size(0), prompt_tokens().size(1), seeded.generator());
  const ConvHead fresh;
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

DeviceBatch PixelCLIPImpl::upload(const TrainBatch& batch) const {
  return to_device(batch, device(),
                   {.width = config_.mask_resolution.width,
                    .most = config_.limit_masks ? config_.max_masks : 0});
}

Tensor PixelCLIPImpl::encode(const ImageEncoder& encoder, std::optional<torch::ScalarType> type,
                             const Tensor& images, const Tensor& sizes,
                             const at::Generator& random) {
  auto x = statistics_.normalise(images);
  if (sizes.defined()) x = zero_outside(x, sizes);
  const auto& [height, width] = config_.clip_resolution;
  if (x.size(2) != height || x.size(3) != width) x = resize_bilinear(x, height, width);
  return DenseEncoder(encoder, statistics_, type).dense(x, random);
}

Tensor PixelCLIPImpl::student_features(const DeviceBatch& batch, const at::Generator& random) {
  return l2_normalise(encode(clip()->visual, is_training() ? training_type_ : inference_type_,
                             batch.strong, batch.sizes, random));
}

Tensor PixelCLIPImpl::teacher_features(const DeviceBatch& batch, const at::Generator& random) {
  torch::NoGradGuard no_grad;
  return encode(teacher_encoder->visual, training_type_, batch.images, batch.sizes, random);
}

TeacherTargets PixelCLIPImpl::teacher_targets(const DeviceBatch& batch, const Tensor& clusters,
                                              const at::Generator& random) {
  torch::NoGradGuard no_grad;
  const auto features = pool_masks(teacher_features(batch, random), batch.masks);
  return {features,
          config_.eps * torch::matmul(l2_normalise(features), l2_normalise(clusters.detach()).t())};
}

Tensor PixelCLIPImpl::mask_targets(const MaskBatch& masks, const Tensor& assignment) const {
  return unpack_masks(merge_masks(masks, assignment, config_.sem_seg_head.num_classes),
                      masks.width);
}

Tensor PixelCLIPImpl::cost_maps(const DeviceBatch& batch, const Tensor& clusters,
                                const at::Generator& random) {
  const auto features = student_features(batch, random);
  const auto cost = torch::matmul(l2_normalise(clusters), features.flatten(1, 2).transpose(1, 2));
  return cost.view({cost.size(0), cost.size(1), features.size(1), features.size(2)});
}

Tensor PixelCLIPImpl::decode(const Tensor& cost) {
  Tensor maps;
  {
    const Autocast autocast(device(), training_type_);
    maps = head(cost.reshape({-1, 1, cost.size(2), cost.size(3)})).to(torch::kFloat);
  }
  const auto logits =
      resize_bilinear(maps, config_.mask_resolution.height, config_.mask_resolution.width);
  return logits.view({cost.size(0), cost.size(1), logits.size(2), logits.size(3)});
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
  if (config_.text_precision != FloatType::float16)
    return l2_normalise(encode_classes(clip(), names, sentences).mean(0));
  const auto text = float16_text_encoder(*clip());
  return l2_normalise(encode_classes(*text, clip()->cuts_long_texts(), names, sentences).mean(0));
}

void set_trainable(PixelCLIP& model, Finetune finetune) {
  const auto trains = [&](const std::string& name) {
    const auto holds = [&](const char* word) { return name.find(word) != std::string::npos; };
    switch (finetune) {
      case Finetune::attention:
        return holds("attn") || holds("position");
      case Finetune::full:
        return true;
      case Finetune::conv:
        return holds("conv");
      case Finetune::prompt:
        return holds("prompt");
      case Finetune::none:
        return false;
    }
    return false;
  };
  for (auto& parameter : model->parameters()) parameter.set_requires_grad(false);
  int64_t matched = 0;
  for (auto& item : model->clip()->visual->named_parameters()) {
    item.value().set_requires_grad(trains(item.key()));
    matched += trains(item.key());
  }
  if (matched == 0 && (finetune == Finetune::attention || finetune == Finetune::conv)) {
    fail("MODEL.SEM_SEG_HEAD.CLIP_FINETUNE \"", finetune, "\" matches no parameter of this image ",
         "encoder: use \"full\", \"attention\" (ViT) or \"conv\" (ConvNeXt)");
  }
  model->prompt_tokens().set_requires_grad(true);
  for (auto& item : model->named_parameters()) {
    if (item.key().starts_with("head.")) item.value().set_requires_grad(true);
  }
}

}  // namespace pixelclip
