#pragma once

#include <filesystem>

#include "clip/traits.hpp"
#include "config/data_config.hpp"
#include "config/solver_config.hpp"
#include "engine/run_state.hpp"
#include "engine/training_step.hpp"
#include "modeling/pixelclip.hpp"

namespace pixelclip {

/// What a checkpoint of a run holds: the weights, the entry `trainer` in the form of detectron2's
/// DefaultTrainer, this program's `pixelclip`, and the record of the architecture. The tensors are
/// those of the run itself.
Value make_checkpoint(const RunState& state, const StepLayout& layout, const SolverConfig& solver,
                      const PixelCLIP& model, const ClipArchitecture& architecture,
                      const TrainingStep& step);

/// Takes over where the run of a checkpoint stood, optimiser and loss scaler included; the weights
/// are loaded elsewhere. Reads checkpoints of detectron2 and those that kept the optimiser beside
/// the model. Parts that do not fit start anew, and the log says what differs from that run.
/// Errors: values of another type.
void resume_from(const Value& checkpoint, const std::filesystem::path& path,
                 const DataloaderConfig& loader, const StepLayout& layout, RunState& state,
                 TrainingStep& step);

}  // namespace pixelclip
