#pragma once

#include <c10/core/Event.h>
#include <torch/types.h>

#include <optional>

namespace pixelclip {

/// Follows a flag that a loop computes in each round, so that the loop can end. On a GPU the host
/// never waits for it: what it knows is the flag of some rounds ago.
class LaggedFlag {
 public:
  /// `flag` [] bool of this round; returns the newest value that is known, at first `true`.
  bool update(const torch::Tensor& flag);

 private:
  bool known_ = true;
  torch::Tensor copy_;  ///< on its way to the host
  std::optional<c10::Event> arrived_;
};

}  // namespace pixelclip
