#pragma once

#include <torch/types.h>

#include <vector>

#include "io/value.hpp"

namespace pixelclip {

/// Loss scaling for float16 (Micikevicius et al. 2018), where small gradients would round to zero.
/// The scale starts at 65536, doubles after 2000 finite steps in a row, and halves after a step
/// whose gradients overflowed. Disabled, it is 1.
class LossScaler {
 public:
  explicit LossScaler(bool enabled) : enabled_(enabled) {}

  bool enabled() const { return enabled_; }
  /// The factor of the loss before the backward pass.
  double scale() const { return enabled_ ? numbers_[0].item<double>() : 1.0; }
  /// Divides the gradients by the scale, in place.
  void unscale(const std::vector<torch::Tensor>& gradients) const;
  /// Call after each step. Returns whether a step that was not finite may be due to a scale that
  /// was too large; at a scale of 1 the gradients themselves are not finite.
  bool update(bool finite);

  /// The state [2] double, which other ranks copy.
  const torch::Tensor& numbers() const { return numbers_; }
  /// As the state_dict() of PyTorch's GradScaler.
  Value state() const;
  void load_state(const Value& state);

 private:
  bool enabled_;
  torch::Tensor numbers_ =
      torch::tensor({65536.0, 0.0}, torch::kDouble);  // scale, finite steps in a row
};

}  // namespace pixelclip
