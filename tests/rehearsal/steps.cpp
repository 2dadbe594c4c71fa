#include "rehearsal/steps.hpp"

#include <ATen/CPUGeneratorImpl.h>

#include "inference/argmax_tensor.hpp"
#include "inference/class_scorer.hpp"
#include "modeling/mask_clusters.hpp"

namespace pixelclip::fake_cuda {
namespace {

Config config_of(const StepSettings& settings) {
  Config config;
  config.model.device = "cuda";
  config.model.clip_resolution = settings.resolution;
  config.model.mask_resolution = settings.masks;
  config.model.sem_seg_head.num_classes = settings.clusters;
  config.model.sem_seg_head.prompt_length = 4;
  config.model.sem_seg_head.clip_finetune = settings.finetune;
  config.solver.clip_gradients.enabled = true;
  config.solver.clip_gradients.clip_type = GradientClipping::full_model;
  config.solver.accumulate_steps = settings.parts;
  config.solver.amp.enabled = settings.precision != FloatType::float32;
  if (config.solver.amp.enabled) config.solver.amp.dtype = settings.precision;
  return config;
}

PixelCLIP model_of(const Config& config, const StepSettings& settings) {
  torch::manual_seed(1);
  PixelCLIP model(config.model, settings.architecture, config.solver.amp);
  set_trainable(model, settings.finetune);
  {
    torch::NoGradGuard no_grad;
    model->prompt_tokens().normal_(0, 0.02);
  }
  model->to(torch::Device(torch::kCUDA, 0));
  model->train();
  return model;
}

}  // namespace

StepSettings vit_base(bool narrow) {
  StepSettings settings;
  // The position embedding is resized, as it is for training's images of 640 pixels.
  settings.architecture.vit = VitOptions();
  if (narrow) {
    settings.architecture.vit =
        VitOptions{.width = 64, .layers = 12, .patch = 8, .grid = 3, .embedding = 32};
    settings.architecture.text = {.width = 64, .heads = 1, .embedding = 32};
  }
  return settings;
}

StepSettings convnext_base(bool narrow) {
  StepSettings settings;
  settings.finetune = Finetune::full;
  settings.resolution = {64, 64};
  auto& text = settings.architecture.text;
  text = {.width = 640, .heads = 10, .embedding = 640, .activation = Activation::gelu};
  settings.architecture.convnext = ConvNextOptions();
  if (narrow) {
    settings.architecture.convnext = ConvNextOptions{.widths = {8, 16, 24, 32}, .embedding = 32};
    text.width = 64, text.heads = 1, text.embedding = 32;
  }
  return settings;
}

Steps::Steps(const StepSettings& settings)
    : config_(config_of(settings)),
      model_(model_of(config_, settings)),
      step_(config_.solver, model_, comm_) {}

TrainBatch Steps::batch(int64_t images, int64_t masks) const {
  const auto& [height, width] = config_.model.clip_resolution;
  const auto pinned = [](const torch::Tensor& tensor) { return tensor.pin_memory(); };
  TrainBatch batch;
  for (int64_t i = 0; i < images; ++i) {
    TrainSample sample;
    sample.image = pinned(torch::randint(0, 256, {3, height + 8, width + 8}, torch::kUInt8));
    sample.image_strong = pinned(torch::randint(0, 256, {3, height + 8, width + 8}, torch::kUInt8));
    const auto& grid = config_.model.mask_resolution;
    sample.mask_bits =
        pinned(pack_masks(torch::rand({masks - i % 2, grid.height, grid.width}).lt(0.1)));
    batch.push_back(sample);
  }
  return batch;
}

Counts Steps::run(const TrainBatch& batch) {
  reset_counts();
  result_ = step_.run(batch, iteration_++, /*seed=*/3, 1.0);
  return counts();
}

Counts Steps::run_ahead(int64_t steps, int64_t images, int64_t masks) {
  reset_counts();
  auto next = step_.prepare(batch(images, masks));
  for (int64_t i = 0; i < steps; ++i) {
    const auto now = std::move(next);
    result_ = step_.run(now, iteration_++, /*seed=*/3, 1.0,
                        [&] { next = step_.prepare(batch(images, masks)); });
  }
  return counts();
}

Counts Steps::run_prompts() {
  reset_counts();
  model_->encode_clusters();
  return counts();
}

Counts Steps::run_teacher(int64_t images) {
  const auto given = model_->upload(batch(images, 2));
  reset_counts();
  model_->teacher_features(given, at::make_generator<at::CPUGeneratorImpl>());
  return counts();
}

Counts score_batch(const StepSettings& settings, int64_t images) {
  const auto config = config_of(settings);
  auto model = model_of(config, settings);
  model->eval();
  const ClassScorer scorer(model, config.model, config.test);
  const auto classes = torch::randn({150, settings.architecture.text.embedding});
  const auto bank = one_row_a_class((classes / classes.norm(2, -1, true)).to(model->device()));
  auto batch = views_of(std::vector<Image>(images, Image(480, 640, 3)), config.input, config.test,
                        config.model.clip_resolution, model->device());
  reset_counts();
  argmax_upsampled(scorer(upload(std::move(batch), model->device()), bank),
                   std::vector<Size2>(images, {480, 640}),
                   std::vector<std::string>(images, "image"));
  return counts();
}

}  // namespace pixelclip::fake_cuda
