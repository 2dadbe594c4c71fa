#pragma once

#include <torch/types.h>

#include <string>

#include "config/model_config.hpp"
#include "config/solver_config.hpp"

namespace pixelclip {

/// Whether `device` lacks instructions for `type` (bfloat16 or float16): then its products are
/// emulated, which on a CPU takes about ten times as long as float32 (docs/benchmarks.md).
bool is_emulated(torch::ScalarType type, torch::Device device);

/// Warns, once a process, that `setting` asks for a type that is emulated here, and names the way
/// out.
void warn_of_emulation(const std::string& setting, const std::string& way_out);

/// Warns of emulation on `device` for training (SOLVER.AMP) and for inference (MODEL.PRECISION).
void warn_of_emulation(const AmpConfig& amp, torch::Device device);
void warn_of_emulation(const ModelConfig& model, torch::Device device);

}  // namespace pixelclip
