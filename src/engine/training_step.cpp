#include "engine/training_step.hpp"

#include <torch/cuda.h>
#include <torch/utils.h>

#include <chrono>
#include <cmath>

#include "base/random.hpp"
#include "base/signal.hpp"

namespace pixelclip {
using torch::Tensor;
namespace {

std::vector<std::pair<std::string, Tensor>> trained(const Optimizer& optimizer) {
  std::vector<std::pair<std::string, Tensor>> parameters;
  for (const auto& group : optimizer.groups()) parameters.emplace_back(group.name, group.parameter);
  return parameters;
}

/// Part v of V holds every V-th sample from the v-th on: what rank v of V would hold.
std::vector<TrainBatch> split(const TrainBatch& batch, int64_t parts) {
  std::vector<TrainBatch> result(parts);
  for (size_t i = 0; i < batch.size(); ++i) result[i % parts].push_back(batch[i]);
  return result;
}

/// Entropy of `counts` as a share of the largest possible; 0 without any count.
double entropy_share(const Tensor& counts) {
  const auto p = counts / counts.sum().clamp_min(1);
  const double largest = std::log(std::max<double>(2, static_cast<double>(counts.numel())));
  return -torch::xlogy(p, p).sum().item<double>() / largest;
}

}  // namespace

/// Gives the time since the last lap to one of the parts.
class TrainingStep::Clock {
 public:
  Clock(StepTimes* times, bool gpu) : times_(times), gpu_(gpu), last_(now()) {}

  void lap(double StepTimes::*part) {
    if (!times_) return;
    if (gpu_) torch::cuda::synchronize();
    const double here = now();
    times_->*part += here - last_;
    last_ = here;
  }

 private:
  static double now() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch())
        .count();
  }
  StepTimes* times_;
  bool gpu_;
  double last_;
};

TrainingStep::TrainingStep(const Config& config, PixelCLIP model, Comm& comm)
    : parts_(config.solver.accumulate_steps),
      clusters_(config.model.sem_seg_head.num_classes),
      model_(std::move(model)),
      comm_(comm),
      optimizer_(parameter_groups(*model_, config.solver), config.solver),
      reducer_(trained(optimizer_), comm),
      scaler_(config.solver.amp.enabled && config.solver.amp.dtype == "float16") {}

StepResult TrainingStep::run(const TrainBatch& batch, int64_t iteration, uint64_t seed,
                             double factor, StepTimes* times) {
  Clock clock(times, model_->device().is_cuda());
  const auto pieces = split(batch, parts_);
  // Two streams for each rank that this process plays: the teacher's and the student's.
  const auto draw_from = [&](int64_t part, int use) {
    const auto played = static_cast<uint64_t>(comm_.rank() + part * comm_.world_size());
    torch::manual_seed(Random(seed, static_cast<uint64_t>(iteration), 2 * played + use).next());
  };
  model_->update_teacher();
  clock.lap(&StepTimes::teacher);
  auto clusters = model_->encode_clusters();
  clock.lap(&StepTimes::prompts);
  std::vector<TaughtBatch> taught;
  for (int64_t v = 0; v < parts_; ++v) {
    draw_from(v, 0);
    taught.push_back(model_->teach(pieces[v], clusters));
  }
  clock.lap(&StepTimes::teacher);
  const auto assignment = assign(taught);
  clock.lap(&StepTimes::assignment);

  optimizer_.zero_grad();
  double loss = 0;
  int64_t first = 0;
  for (int64_t v = 0; v < parts_; ++v) {
    draw_from(v, 1);
    if (v > 0) {
      clusters = model_->encode_clusters();  // the last backward pass freed its graph
      clock.lap(&StepTimes::prompts);
    }
    const int64_t count = taught[v].logits.size(0);
    loss += backward(pieces[v], taught[v], assignment.slice(0, first, first + count), clusters,
                     v == parts_ - 1, clock);
    first += count;
  }
  auto result = outcome(loss, assignment);
  result.mask_bits = taught.front().mask_bits.front();
  if (result.finite) optimizer_.step(factor);
  clock.lap(&StepTimes::optimizer);
  return result;
}

Tensor TrainingStep::assign(const std::vector<TaughtBatch>& taught) {
  std::vector<Tensor> logits;
  for (const auto& part : taught) logits.push_back(part.logits);
  const auto sum = [this](Tensor& numbers) { comm_.all_reduce(numbers, "the assignment's sums"); };
  return sinkhorn(torch::cat(logits), sum).argmax(1);
}

double TrainingStep::backward(const TrainBatch& part, const TaughtBatch& taught,
                              const Tensor& assignment, const Tensor& clusters, bool last,
                              Clock& clock) {
  const auto cost = model_->cost_maps(part, clusters);
  clock.lap(&StepTimes::student);
  const auto loss =
      model_->mask_loss(model_->decode(cost), taught, assignment) / static_cast<double>(parts_);
  clock.lap(&StepTimes::decoder);
  const auto scaled = loss * scaler_.scale();
  if (last) {
    reducer_.backward(scaled);
  } else {
    scaled.backward();
  }
  const double value = loss.item<double>();
  clock.lap(&StepTimes::backward);
  return value;
}

StepResult TrainingStep::outcome(double loss, const Tensor& assignment) {
  StepResult result;
  scaler_.unscale(optimizer_.gradients());
  result.gradient_norm = optimizer_.gradient_norm().item<double>();
  result.assignment = assignment;
  const bool finite_loss = std::isfinite(loss),
             finite = finite_loss && std::isfinite(result.gradient_norm);
  // One message to all: loss, ranks that are not finite, of them by their loss, stops, masks of
  // each cluster.
  const auto numbers =
      torch::tensor({finite_loss ? loss : 0.0, finite ? 0.0 : 1.0, finite_loss ? 0.0 : 1.0,
                     signals::stop_requested() ? 1.0 : 0.0},
                    torch::kDouble);
  const auto counts = torch::bincount(assignment, {}, clusters_).to(torch::kCPU, torch::kDouble);
  const auto shared = torch::cat({numbers, counts});
  comm_.all_reduce(shared, "the step's outcome");
  const auto* sums = shared.const_data_ptr<double>();
  result.finite = sums[1] == 0;
  result.loss = sums[2] == 0 ? sums[0] / comm_.world_size() : NAN;
  result.suspect = !result.finite && (sums[2] == 0 || !finite_loss);
  result.stop = sums[3] > 0;
  const auto used = shared.slice(0, 4);
  result.masks = used.sum().item<int64_t>();
  result.clusters_used = used.gt(0).sum().item<int64_t>();
  result.cluster_entropy = entropy_share(used);
  const bool curable = scaler_.update(result.finite);
  result.scaled_too_much = curable && sums[2] == 0;
  return result;
}

}  // namespace pixelclip
