#include "engine/run_checkpoint.hpp"

#include "base/error.hpp"
#include "base/log.hpp"
#include "io/state_dict.hpp"
#include "solver/lr_scheduler.hpp"

namespace pixelclip {
namespace {

/// The value under the first of `paths` that exists; null when none does.
const Value* find(const Dict& state, const std::vector<std::vector<std::string>>& paths) {
  for (const auto& path : paths) {
    const Dict* dict = &state;
    for (size_t i = 0; dict && i < path.size(); ++i) {
      const Value* found = dict->find(path[i]);
      if (found && i + 1 == path.size()) return found;
      dict = found ? found->get_if<Dict>() : nullptr;
    }
  }
  return nullptr;
}

/// detectron2's entry `trainer`: its hooks with the scheduler, and inside SimpleTrainer or
/// AMPTrainer with the optimiser. Rates are those of the step that comes next.
Value public_state(int64_t iteration, const SolverConfig& solver, const TrainingStep& step) {
  ValueList rates;
  for (const auto& group : step.optimizer().groups()) rates.emplace_back(group.learning_rate);
  Dict scheduler, hooks, inner, outer;
  scheduler.set("base_lrs", std::move(rates));
  scheduler.set("last_epoch", iteration);
  hooks.set("LRScheduler", std::move(scheduler));
  inner.set("iteration", iteration - 1);
  inner.set("optimizer", step.optimizer().state(learning_rate_factor(solver, iteration)));
  if (solver.amp.enabled) inner.set("grad_scaler", step.scaler().state());
  outer.set("iteration", iteration - 1);
  outer.set("hooks", std::move(hooks));
  outer.set("_trainer", std::move(inner));
  return outer;
}

void load_optimizer(const std::filesystem::path& path, const Dict& state, TrainingStep& step) {
  // Earlier checkpoints of this program keep both beside the model.
  const auto* saved = find(state, {{"trainer", "_trainer", "optimizer"}, {"optimizer"}});
  std::string why = "it holds none";
  auto& optimizer = step.optimizer();
  if (!saved || !optimizer.load_state(*saved, &why)) {
    log::warn(path.string(), ": the optimiser starts anew, its saved state does not fit: ", why);
  } else if (const auto changed = optimizer.changed_rate(*saved); !changed.empty()) {
    log::warn("learning rates differ from those of the checkpoint, as configured: ", changed);
  }
  const auto* scaler = find(state, {{"trainer", "_trainer", "grad_scaler"}, {"grad_scaler"}});
  if (scaler && step.scaler().enabled()) step.scaler().load_state(*scaler);
}

std::string describe(const StepLayout& layout) {
  return str(layout.images, " images on ", layout.ranks, " process(es) in ", layout.parts,
             " part(s) each");
}

void log_resume_differences(const StepLayout& before, const StepLayout& now,
                            const DataloaderConfig& loader, const RunState& state) {
  if (before == now) return;
  const auto change = str("a step was ", describe(before), " and is now ", describe(now), ": ");
  if (now.images != before.images) {
    log::warn(change, "the stream of samples continues at number ", state.position,
              ", but steps see other images than in a run without the change");
  } else if (now.ranks * now.parts == before.ranks * before.parts) {
    log::info(change, "only rounding differs");
  } else if (loader.aspect_ratio_grouping) {
    log::warn(change,
              "the loss is a mean over other parts, and with DATALOADER.ASPECT_RATIO_GROUPING "
              "steps see other images than in a run without the change");
  } else {
    log::warn(change, "the same images in each step, but the loss is a mean over other parts");
  }
}

}  // namespace

Value make_checkpoint(const RunState& state, const StepLayout& layout, const SolverConfig& solver,
                      const PixelCLIP& model, const ClipArchitecture& architecture,
                      const TrainingStep& step) {
  Dict checkpoint;
  checkpoint.set("model", to_value(state_of(*model)));
  checkpoint.set("trainer", public_state(state.iteration, solver, step));
  checkpoint.set("iteration", state.iteration - 1);
  checkpoint.set("pixelclip", to_dict(state, layout));
  for (const auto& [key, text] : record_of(architecture)) checkpoint.set(key, text);
  return checkpoint;
}

void resume_from(const Value& checkpoint, const std::filesystem::path& path,
                 const DataloaderConfig& loader, const StepLayout& layout, RunState& state,
                 TrainingStep& step) {
  const auto& entries = checkpoint.as_dict(path.string());
  if (const auto* iteration = find(entries, {{"iteration"}, {"trainer", "iteration"}}))
    state.iteration = iteration->as_int("iteration") + 1;
  load_optimizer(path, entries, step);
  state.position = state.iteration * layout.images;
  if (const auto* own = entries.find("pixelclip")) {
    const auto before = read_run_state(own->as_dict("pixelclip"), layout, state);
    log_resume_differences(before, layout, loader, state);
  }
  log::info("resuming from ", path.string(), " at iteration ", state.iteration);
}

}  // namespace pixelclip
