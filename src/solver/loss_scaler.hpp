#pragma once

#include <torch/types.h>

#include <vector>

#include "io/value.hpp"

namespace pixelclip {

/// Loss scaling for float16 (Micikevicius et al. 2018), whose small gradients would round to zero.
/// Starts at 65536, doubles after 2000 finite steps in a row, halves after a step whose gradients
/// overflowed. Off, it is the factor 1.
class LossScaler {
 public:
  explicit LossScaler(bool enabled) : enabled_(enabled) {}

  bool enabled() const { return enabled_; }
  /// What the loss is multiplied by before the backward pass.
  double scale() const { return enabled_ ? numbers_[0].item<double>() : 1.0; }
  /// Divides the gradients by the scale, in place.
  void unscale(const std::vector<torch::Tensor>& gradients) const;
  /// After each step. Whether a step that was not finite is only a scale too large, which lowering
  /// it cures; false at a scale of 1, where the gradients themselves are to blame.
  bool update(bool finite);

  /// The state itself, [2] double, for a copy from another rank.
  const torch::Tensor& numbers() const { return numbers_; }
  /// In the form of PyTorch's GradScaler.
  Value state() const;
  void load_state(const Value& state);

 private:
  bool enabled_;
  torch::Tensor numbers_ =
      torch::tensor({65536.0, 0.0}, torch::kDouble);  // scale, finite steps in a row
};

}  // namespace pixelclip
