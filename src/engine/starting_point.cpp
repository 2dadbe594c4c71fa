#include "engine/starting_point.hpp"

#include <torch/utils.h>

#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/log.hpp"
#include "clip/architecture_text.hpp"
#include "dist/ddp.hpp"
#include "engine/checkpointer.hpp"

namespace pixelclip {
namespace {

/// The checkpoint that rank 0 found, for the others; empty when there is none.
std::string to_message(const StartingPoint& start) {
  if (!start.resumed) return "";
  return nlohmann::json{{"source", start.source.string()},
                        {"architecture", to_text(start.architecture)}}
      .dump();
}

}  // namespace

StartingPoint starting_point(const Config& config, Comm& comm, bool resume) {
  StartingPoint start;
  start.resume = resume;
  StateDict weights;
  if (resume && comm.is_main()) {
    if (auto last = Checkpointer(config.output_dir, 0).load_last()) {
      start.resumed = true;
      start.source = last->first;
      start.state = std::move(last->second);
      weights = to_state_dict(start.state, start.source.string());
      const auto source = start.source.string();
      start.architecture = checkpoint_architecture(config.model.sem_seg_head, weights, source,
                                                   start.state.as_dict(source));
    }
  }
  const auto message = resume ? comm.broadcast(to_message(start), "the checkpoint to resume") : "";
  if (message.empty()) {
    static_cast<LoadedModel&>(start) = load_model(config.model, comm.device(), config.solver.amp);
    return start;
  }
  if (!comm.is_main()) {
    const auto entries = nlohmann::json::parse(message);
    start.resumed = true;
    start.source = entries.at("source").get<std::string>();
    start.architecture = architecture_from_text(entries.at("architecture").get<std::string>());
  }
  start.model = make_model(config.model, start.architecture, config.solver.amp);
  if (comm.is_main()) load_checkpoint(start.model, weights, start.source.string());
  start.dino_masks = config.model.dino;
  start.model->to(comm.device());
  broadcast_tensors(start.model->parameters(), comm, "the model's parameters");
  broadcast_tensors(start.model->buffers(), comm, "the model's buffers");
  log::info("weights from ", start.source.string(), ": PixelCLIP, ", start.architecture.describe());
  return start;
}

}  // namespace pixelclip
