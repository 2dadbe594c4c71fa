#pragma once

#include <torch/types.h>

#include <optional>

namespace pixelclip {

/// PyTorch's autocast for a scope: matrix products and convolutions of this thread on `device` run
/// in `type`; without a type nothing changes.
class Autocast {
 public:
  Autocast(const torch::Device& device, std::optional<torch::ScalarType> type);
  ~Autocast();
  Autocast(const Autocast&) = delete;
  Autocast& operator=(const Autocast&) = delete;

 private:
  torch::DeviceType device_;
  bool active_;
  bool was_enabled_ = false;
  torch::ScalarType was_type_ = torch::kFloat;
};

}  // namespace pixelclip
