#pragma once

#include <torch/utils.h>

#include "config/config.hpp"
#include "engine/training_step.hpp"
#include "rehearsal/fake_cuda.hpp"

namespace pixelclip::fake_cuda {

/// What makes a training step of an architecture.
struct StepSettings {
  ClipArchitecture architecture;
  int64_t clusters = 8;
  Size2 resolution = {32, 32}, masks = {64, 64};
  Finetune finetune = Finetune::attention;
  FloatType precision = FloatType::float32;  ///< of SOLVER.AMP; float32: off
  int64_t parts = 1;                         ///< SOLVER.ACCUMULATE_STEPS
};

/// The layers of ViT-B/16 and its text tower, or the blocks of ConvNeXt-B; `narrow` ones ask for
/// the same operations of small tensors.
StepSettings vit_base(bool narrow);
StepSettings convnext_base(bool narrow);

/// Training steps with random weights and images on the first fake device.
class Steps {
 public:
  explicit Steps(const StepSettings& settings);

  /// Random images in pinned memory with about `masks` masks each.
  TrainBatch batch(int64_t images, int64_t masks) const;

  /// One step; what it asked of the device.
  Counts run(const TrainBatch& batch);
  Counts run(int64_t images, int64_t masks) { return run(batch(images, masks)); }
  /// Several steps, each of which prepares the batch of the next; their counts together.
  Counts run_ahead(int64_t steps, int64_t images, int64_t masks);
  const StepResult& result() const { return result_; }

  /// The parts of fixed shape: the text encoder on the prompts and the teacher's image encoder.
  Counts run_prompts();
  Counts run_teacher(int64_t images);

 private:
  Config config_;
  PixelCLIP model_;
  Comm comm_;
  TrainingStep step_;
  int64_t iteration_ = 0;
  StepResult result_;
};

/// Scoring a batch of images of 480×640 with 150 classes; what it asked of the device.
Counts score_batch(const StepSettings& settings, int64_t images);

}  // namespace pixelclip::fake_cuda
