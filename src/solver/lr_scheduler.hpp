#pragma once

#include <cstdint>

#include "config/solver_config.hpp"

namespace pixelclip {

/// detectron2's schedules (WarmupCosineLR, WarmupMultiStepLR, WarmupStepWithFixedGammaLR, and
/// WarmupPolyLR of its DeepLab project): the factor by which every learning rate is multiplied for
/// the step number `iteration`, counted from 0.
double learning_rate_factor(const SolverConfig& solver, int64_t iteration);

}  // namespace pixelclip
