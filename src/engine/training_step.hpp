#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "config/solver_config.hpp"
#include "dist/comm.hpp"
#include "dist/ddp.hpp"
#include "modeling/pixelclip.hpp"
#include "nn/copy_stream.hpp"
#include "solver/loss_scaler.hpp"
#include "solver/optimizer.hpp"

namespace pixelclip {

/// Seconds spent in each part of training steps.
struct StepTimes {
  double teacher = 0, prompts = 0, assignment = 0, student = 0, decoder = 0, backward = 0,
         optimizer = 0;
};

/// What one step did; numbers but for `assignment` are those of all ranks together.
struct StepResult {
  double loss = 0;
  double gradient_norm = 0;      ///< before clipping
  bool finite = true;            ///< loss and gradients are finite on every rank
  bool suspect = false;          ///< not finite, and this rank's own loss may be the reason
  bool scaled_too_much = false;  ///< not finite, but only because of float16's loss scale
  bool stop = false;             ///< a signal has asked some rank to stop
  int64_t masks = 0;
  int64_t clusters_used = 0;   ///< clusters with at least one mask
  double cluster_entropy = 0;  ///< of the masks over the clusters, as a share of log K
  torch::Tensor assignment;    ///< [masks of this rank]
  torch::Tensor mask_bits;     ///< of this rank's first image, whose masks come first
};

/// A batch of the loader whose copies to the device are queued.
struct PreparedBatch {
  TrainBatch samples;
  std::vector<DeviceBatch> parts;    ///< one for each of SOLVER.ACCUMULATE_STEPS
  std::optional<c10::Event> copied;  ///< of the copies, where they have a stream of their own
};

/// One optimiser step of PixelCLIP (§3) on all ranks. With SOLVER.ACCUMULATE_STEPS = V a process
/// plays V ranks one after the other: part v on rank r of W is what rank r + W·v of W·V ranks would
/// hold. The assignment is over all parts of all ranks, and each of them draws from a random stream
/// of (seed, iteration, its number), so that only rounding depends on how the batch is spread out.
/// On a GPU the host waits once, for the step's outcome before the update; once more for the areas
/// of masks that were made there (MODEL.DINO).
class TrainingStep {
 public:
  TrainingStep(const SolverConfig& solver, PixelCLIP model, Comm& comm);

  /// Queues the copies of a batch to the device, on a GPU beside the computation.
  PreparedBatch prepare(TrainBatch batch) const;

  /// `factor` is the schedule's. A step that is not finite on some rank changes nothing but the
  /// loss scale and the teacher. `ahead` is called while a GPU still computes the gradients: the
  /// place to prepare the next batch. With `times`, seconds are added to it; on a GPU that slows
  /// the step down.
  StepResult run(const PreparedBatch& batch, int64_t iteration, uint64_t seed, double factor,
                 const std::function<void()>& ahead = {}, StepTimes* times = nullptr);
  StepResult run(const TrainBatch& batch, int64_t iteration, uint64_t seed, double factor) {
    return run(prepare(batch), iteration, seed, factor);
  }

  Optimizer& optimizer() { return optimizer_; }
  const Optimizer& optimizer() const { return optimizer_; }
  LossScaler& scaler() { return scaler_; }
  const LossScaler& scaler() const { return scaler_; }

 private:
  class Clock;
  torch::Tensor assign(const std::vector<TeacherTargets>& targets);
  /// The loss, without gradient.
  torch::Tensor backward(const DeviceBatch& part, const torch::Tensor& assignment,
                         const torch::Tensor& clusters, const at::Generator& random, bool last,
                         Clock& clock);
  StepResult outcome(const std::vector<torch::Tensor>& losses, const torch::Tensor& assignment);

  int64_t parts_, clusters_;
  PixelCLIP model_;
  CopyStream copies_;
  Comm& comm_;
  Optimizer optimizer_;
  GradientReducer reducer_;
  LossScaler scaler_;
};

}  // namespace pixelclip
