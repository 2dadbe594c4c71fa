#include "solver/lr_scheduler.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace pixelclip {
namespace {

/// As in fvcore: rounding must not put a step just below its own position.
constexpr double kWhereEpsilon = 1e-6;

/// The schedule without warm-up at `where`, the fraction of training that is done, in [0, 1].
double plain_factor(const SolverConfig& solver, double where) {
  if (solver.lr_scheduler_name == LrSchedule::cosine) {
    const double end = solver.base_lr > 0 ? solver.base_lr_end / solver.base_lr : 0.0;
    return end + (1.0 - end) * 0.5 * (1.0 + std::cos(std::numbers::pi * where));
  }
  if (solver.lr_scheduler_name == LrSchedule::step_with_fixed_gamma) {
    const auto decays = static_cast<double>(solver.num_decays);
    return std::pow(solver.gamma,
                    std::min(decays, std::floor((where + kWhereEpsilon) * (decays + 1))));
  }
  const auto iteration =
      static_cast<int64_t>((where + kWhereEpsilon) * static_cast<double>(solver.max_iter));
  const auto passed = std::count_if(solver.steps.begin(), solver.steps.end(),
                                    [&](int64_t step) { return step <= iteration; });
  return std::pow(solver.gamma, static_cast<double>(passed));
}

/// DeepLab's schedule in detectron2: warm-up times decay. The constant ending applies after the
/// warm-up.
double poly_factor(const SolverConfig& solver, int64_t iteration) {
  const double length = static_cast<double>(std::max<int64_t>(1, solver.max_iter));
  const double decay = std::pow(1.0 - std::min(1.0, iteration / length), solver.poly_lr_power);
  double warmup = 1.0;
  if (iteration < solver.warmup_iters) {
    const double share = iteration / static_cast<double>(solver.warmup_iters);
    warmup = solver.warmup_method == WarmupMethod::constant
                 ? solver.warmup_factor
                 : solver.warmup_factor * (1.0 - share) + share;
  }
  return warmup == 1.0 ? std::max(decay, solver.poly_lr_constant_ending) : warmup * decay;
}

}  // namespace

double learning_rate_factor(const SolverConfig& solver, int64_t iteration) {
  if (solver.lr_scheduler_name == LrSchedule::poly) return poly_factor(solver, iteration);
  const double length = static_cast<double>(std::max<int64_t>(1, solver.max_iter));
  const double where = std::min(1.0, iteration / length);
  const double warmup = std::min(1.0, solver.warmup_iters / length);
  const bool rescaled = solver.rescale_interval;
  if (where + kWhereEpsilon > warmup) {
    return plain_factor(solver, rescaled && warmup < 1 ? (where - warmup) / (1 - warmup) : where);
  }
  const double start = solver.warmup_factor * plain_factor(solver, 0.0);
  if (solver.warmup_method == WarmupMethod::constant) return start;
  const double end = plain_factor(solver, rescaled ? 0.0 : warmup);
  return start + (end - start) * where / warmup;
}

}  // namespace pixelclip
