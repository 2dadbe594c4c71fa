#pragma once

#include <torch/nn/module.h>

#include <string>
#include <vector>

#include "config/solver_config.hpp"
#include "io/value.hpp"

namespace pixelclip {

/// A trained parameter with its own rate and decay. A public checkpoint has one group for each.
struct ParameterGroup {
  std::string name;
  torch::Tensor parameter;
  double learning_rate = 0.0;  // before the schedule's factor
  double weight_decay = 0.0;
};

/// The parameters of `model` that require a gradient, in the module's order. Rates: BASE_LR times
/// CLIP_MULTIPLIER under `clip_model`, PROMPT_MULTIPLIER for `prompt_tokens`, BACKBONE_MULTIPLIER
/// for names with `backbone`; decay: WEIGHT_DECAY_NORM in normalisation layers, WEIGHT_DECAY_EMBED
/// in embeddings, else WEIGHT_DECAY.
std::vector<ParameterGroup> parameter_groups(const torch::nn::Module& model,
                                             const SolverConfig& solver);

/// The learning rate that the log shows: the most common one, and of several the first, as in
/// detectron2.
double common_rate(const std::vector<ParameterGroup>& groups);

/// A table of the trained parameters for the log: tensors, numbers, learning rate, weight decay.
std::string describe(const std::vector<ParameterGroup>& groups);

/// AdamW (Loshchilov and Hutter 2019; β 0.9 and 0.999, ε 1e-8) or SGD with momentum, by LibTorch's
/// fused kernels, and gradient clipping as SOLVER.CLIP_GRADIENTS says.
class Optimizer {
 public:
  Optimizer(std::vector<ParameterGroup> groups, const SolverConfig& solver);

  void zero_grad();

  /// Clips the gradients, then updates every parameter that has one; `factor` is the schedule's.
  void step(double factor);

  /// The gradients of the parameters that have one.
  std::vector<torch::Tensor> gradients() const;

  /// The 2-norm of all gradients together, before clipping. [] float on their device.
  torch::Tensor gradient_norm() const;

  const std::vector<ParameterGroup>& groups() const { return groups_; }

  /// The state_dict() of torch.optim.AdamW or SGD with one group a parameter, as the public trainer
  /// makes them.
  Value state(double factor) const;
  /// Loads a state dict of this optimiser or of PyTorch's. Returns false and changes nothing when
  /// its groups do not fit these parameters; `why` gives the reason.
  bool load_state(const Value& state, std::string* why);
  /// The first parameter whose rate in such a state differs from that of its group, as "NAME: 0.002
  /// then, 0.001 now"; empty when all agree.
  std::string changed_rate(const Value& state) const;
  /// Moments and step counts, which other ranks copy.
  std::vector<torch::Tensor> state_tensors() const;

 private:
  void clip_gradients(const std::vector<torch::Tensor>& gradients) const;

  SolverConfig solver_;
  std::vector<ParameterGroup> groups_;
  bool adamw_;
  std::vector<torch::Tensor> first_, second_,
      steps_;  // one a group; SGD uses first_ alone, as momentum
};

}  // namespace pixelclip
