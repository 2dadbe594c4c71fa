#include <torch/utils.h>

#include <torch/csrc/distributed/c10d/HashStore.hpp>

#include "config/config.hpp"
#include "dist/comm_nccl.hpp"
#include "engine/training_step.hpp"
#include "gpu/gpu.hpp"
#include "modeling/mask_clusters.hpp"
#include "nn/seeded_init.hpp"
#include "support/tensors.hpp"

// One training step, without the program around it.
namespace pixelclip::testing {
namespace {

class StepOnAGpu : public ::testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    const bool convnext = GetParam();
    config_ = load_config(
        "", {"MODEL.DEVICE", device(), "MODEL.CLIP_RESOLUTION", "(64, 64)", "MODEL.DROP_PATH_RATE",
             "0", "MODEL.MASK_RESOLUTION", "(64, 64)", "MODEL.SEM_SEG_HEAD.NUM_CLASSES", "8",
             "MODEL.SEM_SEG_HEAD.PROMPT_LENGTH", "4", "MODEL.SEM_SEG_HEAD.CLIP_FINETUNE",
             convnext ? "full" : "attention", "SOLVER.CLIP_GRADIENTS.ENABLED", "True",
             "SOLVER.CLIP_GRADIENTS.CLIP_TYPE", "full_model"});
    ClipArchitecture architecture;
    architecture.text = {.width = 64, .layers = 2, .heads = 1, .embedding = 32};
    if (convnext) {
      architecture.convnext = ConvNextOptions{.widths = {8, 16, 24, 32}, .embedding = 32};
      architecture.text.activation = Activation::gelu;
    } else {
      architecture.vit =
          VitOptions{.width = 64, .layers = 12, .patch = 8, .grid = 3, .embedding = 32};
    }
    const SeededInit seeded(1);
    model_ = PixelCLIP(config_.model, architecture, config_.solver.amp);
    set_trainable(model_, config_.model.sem_seg_head.clip_finetune);
    {
      const torch::NoGradGuard no_grad;
      model_->prompt_tokens().normal_(0, 0.02);
    }
    model_->to(torch::Device(device()));
    model_->train();
    for (int i = 0; i < 3; ++i) {
      TrainSample sample;
      sample.image = pinned(torch::randint(0, 256, {3, 72, 72}, torch::kUInt8));
      sample.image_strong = pinned(torch::randint(0, 256, {3, 72, 72}, torch::kUInt8));
      sample.mask_bits = pinned(pack_masks(torch::rand({20 - i, 64, 64}).lt(0.1)));
      batch_.push_back(sample);
    }
  }

  static torch::Tensor pinned(const torch::Tensor& tensor) {
    return gpus() > 0 ? tensor.pin_memory() : tensor;
  }

  Config config_;
  PixelCLIP model_{nullptr};
  TrainBatch batch_;
  Comm alone_;
};

TEST_P(StepOnAGpu, WaitsForItsOutcomeAlone) {
  TrainingStep step(config_.solver, model_, alone_);
  step.run(batch_, 0, 3, 1.0);  // allocates
  EXPECT_LE(waits_in([&] { step.run(batch_, 1, 3, 1.0); }), 1);
}

TEST_P(StepOnAGpu, NothingWaitsBetweenTheBatchAndTheGradients) {
  const auto forward_and_backward = [&] {
    model_->update_teacher();
    const auto clusters = model_->encode_clusters();
    const auto there = model_->upload(batch_);
    const auto targets = model_->teacher_targets(there, clusters);
    const auto assignment = sinkhorn(targets.logits, [](torch::Tensor&) {}).argmax(1);
    mask_loss(model_->decode(model_->cost_maps(there, clusters)),
              model_->mask_targets(there.masks, assignment))
        .backward();
  };
  forward_and_backward();  // allocates
  without_waiting(forward_and_backward);
}

INSTANTIATE_TEST_SUITE_P(Backbones, StepOnAGpu, ::testing::Values(false, true),
                         [](const auto& info) { return info.param ? "convnext" : "vit"; });

TEST(Nccl, OneRankKeepsItsNumbers) {
  if (gpus() == 0) GTEST_SKIP() << "no GPU here";
  const torch::Device gpu(torch::kCUDA, 0);
  const auto nccl = make_nccl(c10::make_intrusive<c10d::HashStore>(), {}, gpu, Milliseconds(60000));
  std::vector<torch::Tensor> tensors = {torch::arange(5).to(gpu, torch::kFloat)};
  nccl->allreduce(tensors, {})->wait();
  EXPECT_TRUE(close(tensors[0], torch::arange(5), 0));
}

}  // namespace
}  // namespace pixelclip::testing
