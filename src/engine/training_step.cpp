#include "engine/training_step.hpp"

#include <torch/cuda.h>
#include <torch/utils.h>

#include <ATen/CPUGeneratorImpl.h>

#include <chrono>
#include <cmath>

#include "base/random.hpp"
#include "base/signal.hpp"
#include "base/stopwatch.hpp"

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
  Clock(StepTimes* times, bool gpu) : times_(times), gpu_(gpu) {}

  void lap(double StepTimes::*part) {
    if (!times_) return;
    if (gpu_) torch::cuda::synchronize();
    times_->*part += watch_.lap();
  }

 private:
  StepTimes* times_;
  bool gpu_;
  Stopwatch watch_;
};

TrainingStep::TrainingStep(const SolverConfig& solver, PixelCLIP model, Comm& comm)
    : parts_(solver.accumulate_steps),
      clusters_(model->prompt_tokens().size(0)),
      model_(std::move(model)),
      copies_(model_->device()),
      comm_(comm),
      optimizer_(parameter_groups(*model_, solver), solver),
      reducer_(trained(optimizer_), comm),
      scaler_(solver.amp.enabled && solver.amp.dtype == FloatType::float16) {}

PreparedBatch TrainingStep::prepare(TrainBatch batch) const {
  PreparedBatch prepared{std::move(batch), {}, std::nullopt};
  const auto upload = [&] {
    for (const auto& piece : split(prepared.samples, parts_))
      prepared.parts.push_back(model_->upload(piece));
  };
  // What a GPU has computed itself (MODEL.DINO's masks) is ordered by the stream that did.
  const auto& bits = prepared.samples.front().mask_bits;
  if (bits.defined() && bits.is_cuda()) {
    upload();
  } else {
    prepared.copied = copies_.run(upload);
  }
  return prepared;
}

StepResult TrainingStep::run(const PreparedBatch& batch, int64_t iteration, uint64_t seed,
                             double factor, const std::function<void()>& ahead, StepTimes* times) {
  Clock clock(times, model_->device().is_cuda());
  // Two streams for each rank that this process plays: the teacher's and the student's.
  const auto stream = [&](int64_t part, int use) {
    const auto played = static_cast<uint64_t>(comm_.rank() + part * comm_.world_size());
    return at::make_generator<at::CPUGeneratorImpl>(
        Random(seed, static_cast<uint64_t>(iteration), 2 * played + use).next());
  };
  model_->update_teacher();
  clock.lap(&StepTimes::teacher);
  auto clusters = model_->encode_clusters();
  clock.lap(&StepTimes::prompts);
  const auto& parts = batch.parts;
  for (const auto& part : parts) copies_.hand_over(batch.copied, part.tensors());
  std::vector<TeacherTargets> targets;
  for (int64_t v = 0; v < parts_; ++v) {
    targets.push_back(model_->teacher_targets(parts[v], clusters, stream(v, 0)));
  }
  clock.lap(&StepTimes::teacher);
  const auto assignment = assign(targets);
  clock.lap(&StepTimes::assignment);

  optimizer_.zero_grad();
  std::vector<Tensor> losses;
  int64_t first = 0;
  for (int64_t v = 0; v < parts_; ++v) {
    if (v > 0) {
      clusters = model_->encode_clusters();  // the last backward pass freed its graph
      clock.lap(&StepTimes::prompts);
    }
    const int64_t count = parts[v].masks.size();
    losses.push_back(backward(parts[v], assignment.slice(0, first, first + count), clusters,
                              stream(v, 1), v == parts_ - 1, clock));
    first += count;
  }
  if (ahead) ahead();
  auto result = outcome(losses, assignment);
  result.mask_bits = parts.front().masks.first();
  if (result.finite) optimizer_.step(factor);
  clock.lap(&StepTimes::optimizer);
  return result;
}

Tensor TrainingStep::assign(const std::vector<TeacherTargets>& targets) {
  std::vector<Tensor> logits;
  for (const auto& part : targets) logits.push_back(part.logits);
  const auto sum = [this](Tensor& numbers) { comm_.all_reduce(numbers, "the assignment's sums"); };
  return sinkhorn(torch::cat(logits), sum).argmax(1);
}

Tensor TrainingStep::backward(const DeviceBatch& part, const Tensor& assignment,
                              const Tensor& clusters, const at::Generator& random, bool last,
                              Clock& clock) {
  const auto cost = model_->cost_maps(part, clusters, random);
  clock.lap(&StepTimes::student);
  const auto loss = mask_loss(model_->decode(cost), model_->mask_targets(part.masks, assignment)) /
                    static_cast<double>(parts_);
  clock.lap(&StepTimes::decoder);
  const auto scaled = loss * scaler_.scale();
  if (last) {
    reducer_.backward(scaled);
  } else {
    scaled.backward();
  }
  clock.lap(&StepTimes::backward);
  return loss.detach();
}

StepResult TrainingStep::outcome(const std::vector<Tensor>& losses, const Tensor& assignment) {
  StepResult result;
  scaler_.unscale(optimizer_.gradients());
  // One read of everything: loss, norm, masks of each cluster.
  const auto loss_sum = torch::stack(losses).to(torch::kDouble).sum();
  const auto norm = optimizer_.gradient_norm().to(loss_sum.options());
  const auto numbers_of = torch::arange(clusters_, assignment.options());
  const auto of_clusters = assignment.unsqueeze(1).eq(numbers_of).sum(0).to(torch::kDouble);
  const auto read = torch::cat({torch::stack({loss_sum, norm}), of_clusters}).to(torch::kCPU);
  const double loss = read.const_data_ptr<double>()[0];
  result.gradient_norm = read.const_data_ptr<double>()[1];
  result.assignment = assignment;
  const bool finite_loss = std::isfinite(loss),
             finite = finite_loss && std::isfinite(result.gradient_norm);
  // One message to all: loss, ranks that are not finite, of them by their loss, stops, masks of
  // each cluster.
  const auto numbers =
      torch::tensor({finite_loss ? loss : 0.0, finite ? 0.0 : 1.0, finite_loss ? 0.0 : 1.0,
                     signals::stop_requested() ? 1.0 : 0.0},
                    torch::kDouble);
  const auto shared = torch::cat({numbers, read.slice(0, 2)});
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
