#include "solver/loss_scaler.hpp"

#include <torch/utils.h>

#include <algorithm>

namespace pixelclip {
namespace {

constexpr double kGrowth = 2.0, kBackoff = 0.5;
constexpr int64_t kInterval = 2000;

}  // namespace

void LossScaler::unscale(const std::vector<torch::Tensor>& gradients) const {
  torch::NoGradGuard no_grad;
  if (enabled_ && !gradients.empty()) at::_foreach_mul_(gradients, 1.0 / scale());
}

bool LossScaler::update(bool finite) {
  if (!enabled_) return false;
  const double before = scale();
  if (!finite) {
    numbers_[0] = std::max(1.0, before * kBackoff);
    numbers_[1] = 0.0;
    return before > 1.0;
  }
  numbers_[1] += 1.0;
  if (numbers_[1].item<double>() == kInterval) {
    numbers_[0] = before * kGrowth;
    numbers_[1] = 0.0;
  }
  return false;
}

Value LossScaler::state() const {
  Dict state;
  state.set("scale", scale());
  state.set("growth_factor", kGrowth);
  state.set("backoff_factor", kBackoff);
  state.set("growth_interval", kInterval);
  state.set("_growth_tracker", numbers_[1].item<int64_t>());
  return state;
}

void LossScaler::load_state(const Value& value) {
  const auto& state = value.as_dict("grad_scaler");
  if (const auto* scale = state.find("scale")) numbers_[0] = scale->as_double("grad_scaler scale");
  if (const auto* tracker = state.find("_growth_tracker")) {
    numbers_[1] = tracker->as_double("grad_scaler _growth_tracker");
  }
}

}  // namespace pixelclip
