#pragma once

#include <memory>

#include "pixelclip/config/config.hpp"
#include "pixelclip/data/loader.hpp"
#include "pixelclip/dist/comm.hpp"
#include "pixelclip/dist/ddp.hpp"
#include "pixelclip/engine/checkpointer.hpp"
#include "pixelclip/engine/event_storage.hpp"
#include "pixelclip/evaluation/evaluate.hpp"
#include "pixelclip/modeling/pixelclip.hpp"
#include "pixelclip/solver/optimizer.hpp"

namespace pixelclip {

/// One training run (PixelCLIP §3): steps, log, checkpoints and evaluations, from MODEL.WEIGHTS or
/// from where an earlier run in OUTPUT_DIR stopped.
class Trainer {
 public:
  /// With `resume` the newest usable checkpoint of OUTPUT_DIR is loaded, if there is one.
  Trainer(const Config& config, PixelCLIP model, Comm& comm, bool resume);

  /// Trains to MAX_ITER, or until a signal asks for a stop: then the state is saved and the log says
  /// how to go on. Returns the last evaluation's results, empty when there was none.
  std::vector<SetResult> run();

 private:
  struct StepResult {
    double loss = 0;
    double gradient_norm = 0;
    bool finite = true;
    bool stop = false;
  };

  StepResult step(const TrainBatch& batch, double factor);
  /// Global assignment of the masks of all parts on all ranks: a cluster number for each mask.
  torch::Tensor assign(const std::vector<TaughtBatch>& taught);
  void handle_non_finite(const TrainBatch& batch);
  void record(const StepResult& result, double seconds, double data_seconds, double factor);
  void log_progress();
  void evaluate_now();
  void start_seed();
  Value state() const;
  void load(const std::filesystem::path& path, const Value& state);
  void save(const std::string& name);

  Config config_;
  PixelCLIP model_;
  Comm& comm_;
  Optimizer optimizer_;
  GradientReducer reducer_;
  Checkpointer checkpointer_;
  std::unique_ptr<EventStorage> events_;
  std::unique_ptr<TrainLoader> loader_;
  std::vector<SetResult> results_;
  uint64_t seed_ = 0;
  int64_t iteration_ = 0;  // the step that runs or comes next
  int64_t loader_start_ = 0;
  int64_t skipped_ = 0;
  double best_ = -1;
};

}  // namespace pixelclip
