#pragma once

#include "config/keys.hpp"

namespace pixelclip {

struct ClipGradientsConfig {
  bool enabled = false;
  GradientClipping clip_type = GradientClipping::value;
  double clip_value = 1.0;
  double norm_type = 2.0;

  void visit(config::Keys& key) {
    using namespace config;
    key("ENABLED", enabled, "clip gradients before each step");
    key("CLIP_TYPE", clip_type,
        "what is limited: each element, the norm of each parameter, or the norm of all together");
    key("CLIP_VALUE", clip_value, "largest value or norm", more_than(0));
    key("NORM_TYPE", norm_type, "p of the norm of a parameter; `full_model` always uses the 2-norm",
        more_than(0));
  }
};

struct AmpConfig {
  bool enabled = false;
  FloatType dtype = FloatType::float16;

  void visit(config::Keys& key) {
    key("ENABLED", enabled, "train with mixed precision");
    key("DTYPE", dtype, "the lower precision; float16, as in the public code, uses a loss scaler",
        config::one_of({"bfloat16", "float16"}));
  }
};

struct SolverConfig {
  int64_t ims_per_batch = 16;
  int64_t reference_world_size = 0;
  int64_t accumulate_steps = 1;
  double base_lr = 0.001;
  double base_lr_end = 0.0;
  int64_t max_iter = 40000;
  LrSchedule lr_scheduler_name = LrSchedule::multi_step;
  std::vector<int64_t> steps = {30000};
  double gamma = 0.1;
  int64_t num_decays = 3;
  WarmupMethod warmup_method = WarmupMethod::linear;
  double warmup_factor = 0.001;
  int64_t warmup_iters = 1000;
  bool rescale_interval = false;
  double poly_lr_power = 0.9;
  double poly_lr_constant_ending = 0.0;
  OptimizerType optimizer = OptimizerType::adamw;
  double momentum = 0.9;
  bool nesterov = false;
  double weight_decay = 0.0001;
  double weight_decay_norm = 0.0;
  double weight_decay_embed = 0.0;
  double backbone_multiplier = 0.1;
  double clip_multiplier = 0.01;
  double prompt_multiplier = 10.0;
  ClipGradientsConfig clip_gradients;
  AmpConfig amp;
  int64_t max_skipped_steps = 0;
  int64_t checkpoint_period = 5000;
  int64_t checkpoint_keep = 0;

  void visit(config::Keys& key) {
    using namespace config;
    key("IMS_PER_BATCH", ims_per_batch, "images in a step, over all ranks", at_least(1));
    key("REFERENCE_WORLD_SIZE", reference_world_size,
        "number of ranks that batch size, learning rate, iterations and periods are given for; "
        "they are scaled for another number; 0: never",
        at_least(0));
    key("ACCUMULATE_STEPS", accumulate_steps,
        "parts that the batch of each rank is split into; V parts give exactly the result of V "
        "times as many ranks",
        at_least(1));
    key("BASE_LR", base_lr, "learning rate before the multipliers", at_least(0));
    key("BASE_LR_END", base_lr_end, "learning rate at the end of WarmupCosineLR", at_least(0));
    key("MAX_ITER", max_iter, "optimizer steps", at_least(0));
    key("LR_SCHEDULER_NAME", lr_scheduler_name, "schedule of the learning rate");
    key("STEPS", steps, "WarmupMultiStepLR: iterations at which the learning rate falls, ascending",
        at_least(0));
    key("GAMMA", gamma,
        "WarmupMultiStepLR: factor at each of STEPS; WarmupStepWithFixedGammaLR: factor of each "
        "decay",
        more_than(0));
    key("NUM_DECAYS", num_decays,
        "WarmupStepWithFixedGammaLR: number of decays, evenly spaced over MAX_ITER",
        between(1, 1000000));
    key("WARMUP_METHOD", warmup_method, "how the learning rate rises at the start");
    key("WARMUP_FACTOR", warmup_factor, "factor of the learning rate at iteration 0",
        between(0, 1));
    key("WARMUP_ITERS", warmup_iters, "iterations of warm-up", at_least(0));
    key("RESCALE_INTERVAL", rescale_interval,
        "start the schedule after the warm-up and compress it into the remaining iterations; not "
        "for WarmupPolyLR");
    key("POLY_LR_POWER", poly_lr_power, "WarmupPolyLR: exponent", more_than(0));
    key("POLY_LR_CONSTANT_ENDING", poly_lr_constant_ending,
        "WarmupPolyLR: factor below which the learning rate stays constant after the warm-up; 0: "
        "never",
        between(0, 1));
    key("OPTIMIZER", optimizer, "optimizer");
    key("MOMENTUM", momentum, "momentum of SGD", between(0, 1));
    key("NESTEROV", nesterov, "use Nesterov's momentum in SGD");
    key("WEIGHT_DECAY", weight_decay, "weight decay of all other parameters", at_least(0));
    key("WEIGHT_DECAY_NORM", weight_decay_norm, "weight decay of normalization layers",
        at_least(0));
    key("WEIGHT_DECAY_EMBED", weight_decay_embed, "weight decay of embeddings", at_least(0));
    key("BACKBONE_MULTIPLIER", backbone_multiplier,
        "learning rate factor of parameters whose name contains `backbone`", at_least(0));
    key("CLIP_MULTIPLIER", clip_multiplier, "learning rate factor of CLIP's parameters",
        at_least(0));
    key("PROMPT_MULTIPLIER", prompt_multiplier, "learning rate factor of the prompts", at_least(0));
    key.section("CLIP_GRADIENTS", clip_gradients);
    key.section("AMP", amp);
    key("MAX_SKIPPED_STEPS", max_skipped_steps,
        "number of steps with a non-finite loss or gradient that are skipped before the run stops",
        at_least(0));
    key("CHECKPOINT_PERIOD", checkpoint_period, "iterations between checkpoints; 0: only the last",
        at_least(0));
    key("CHECKPOINT_KEEP", checkpoint_keep, "number of newest checkpoints to keep; 0: all",
        at_least(0));
  }
};

}  // namespace pixelclip
