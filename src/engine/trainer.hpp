#pragma once

#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "data/loader.hpp"
#include "dist/comm.hpp"
#include "engine/checkpointer.hpp"
#include "engine/run_state.hpp"
#include "engine/starting_point.hpp"
#include "engine/training_log.hpp"
#include "engine/training_step.hpp"
#include "evaluation/report.hpp"
#include "modeling/dino.hpp"
#include "modeling/pixelclip.hpp"

namespace pixelclip {

/// One training run (PixelCLIP §3): steps, log, checkpoints and evaluations, from MODEL.WEIGHTS or
/// from where an earlier run in OUTPUT_DIR stopped.
class Trainer {
 public:
  /// From a checkpoint of OUTPUT_DIR the run takes optimiser, iteration and position in the data;
  /// rank 0 reads it and sends it to the others.
  Trainer(const Config& config, StartingPoint start, Comm& comm);

  /// Trains to MAX_ITER, or until a signal asks for a stop: then the state is saved and the log
  /// says how to resume. Returns the last evaluation's results, empty when there was none.
  std::vector<SetResult> run();

  /// False when a signal has stopped the run before its end.
  bool finished() const { return !stopped_; }

 private:
  /// Trains without scores when no rank finds a test set on disk, rather than fail at the end.
  void disable_evaluation_if_no_data();
  /// Gives all ranks the state of rank 0.
  void broadcast_state();
  /// Opens what the run reads and writes, and refuses what would only fail later.
  void prepare();
  void check_best_metric() const;

  /// A batch on its way to the device, and where the loader stands after it.
  struct Fetched {
    PreparedBatch batch;
    std::vector<StreamPlace> places;
    int64_t position = 0;
    double seconds = 0;  ///< of waiting for the loader
    std::exception_ptr failure;
  };
  Fetched fetch();

  /// One step; true when a signal asks for a stop.
  bool train_one();
  /// A step ran out of GPU memory, which changed nothing but the teacher: saves the state before
  /// it.
  void save_after_out_of_memory();
  void handle_non_finite(const TrainBatch& batch, const StepResult& result);
  void report_step(const TrainBatch& batch, const StepResult& result, StepReport step);
  void draw(const TrainBatch& batch, const StepResult& result);

  bool evaluation_is_due() const;
  /// Scores DATASETS.TEST; false when a signal ended it early.
  bool evaluate_now();
  void keep_best(const SetResult& result);

  /// Collects the loaders' places of all processes.
  void gather_places();
  void save(const std::string& name);
  void stop();

  const Config config_;
  StartingPoint start_;  // without its state once that is loaded
  PixelCLIP model_;
  Comm& comm_;
  const StepLayout layout_;
  TrainingStep step_;
  Checkpointer checkpointer_;
  std::unique_ptr<TrainingLog> log_;
  std::unique_ptr<TrainLoader> loader_;
  std::vector<StreamPlace> places_;  // of the loader after the steps done
  std::optional<Fetched> next_;      // the following step's batch, on a GPU
  std::optional<DinoMasks> dino_;
  std::vector<SetResult> results_;
  RunState state_;
  bool evaluates_ = true;  // a test set is on some rank's disk
  int64_t began_ = 0;      // steps that were done before this process
  int64_t saved_ = -1;     // steps done in the newest numbered file
  bool stopped_ = false;
};

}  // namespace pixelclip
