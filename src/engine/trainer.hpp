#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "data/loader.hpp"
#include "dist/comm.hpp"
#include "engine/checkpointer.hpp"
#include "engine/event_storage.hpp"
#include "engine/starting_point.hpp"
#include "engine/training_step.hpp"
#include "evaluation/report.hpp"
#include "modeling/dino.hpp"
#include "modeling/pixelclip.hpp"

namespace pixelclip {

/// One training run (PixelCLIP §3): steps, log, checkpoints and evaluations, from MODEL.WEIGHTS or
/// from where an earlier run in OUTPUT_DIR stopped.
class Trainer {
 public:
  /// From a checkpoint of OUTPUT_DIR the run takes optimiser, iteration and place in the data; rank
  /// 0 has them, and the others get them from there.
  Trainer(const Config& config, StartingPoint start, Comm& comm);

  /// Trains to MAX_ITER, or until a signal asks for a stop: then the state is saved and the log
  /// says how to go on. Returns the last evaluation's results, empty when there was none.
  std::vector<SetResult> run();

  /// False when a signal has stopped the run before its end.
  bool finished() const { return !stopped_; }

 private:
  /// Where the run stands; with the model's and the optimiser's tensors all that a checkpoint
  /// needs.
  struct Progress {
    uint64_t seed = 0;
    int64_t iteration = 0;            // the step that runs or comes next
    int64_t position = 0;             // samples of the stream that were delivered
    std::vector<StreamPlace> places;  // of all ranks that are played; none: all begin at `position`
    int64_t evaluated = 0;            // steps done when DATASETS.TEST was last scored
    int64_t skipped = 0;              // steps left out because they were not finite
    double best = -1;                 // BEST_METRIC so far
  };

  /// Opens what the run reads and writes, and refuses what would only fail later.
  void prepare();
  void check_scoring() const;
  bool train_one();
  void handle_non_finite(const TrainBatch& batch, const StepResult& result);
  void record(const TrainBatch& batch, const StepResult& result, double seconds,
              double data_seconds, double factor);
  void draw(const TrainBatch& batch, const StepResult& result);
  void log_progress();
  void summarise() const;
  /// Scores DATASETS.TEST; false when a signal ended it early.
  bool evaluate_now();
  bool evaluation_is_due() const;
  /// A run whose test sets are on no rank's disk trains without scores rather than fail at its end.
  void go_without_scores_where_no_set_is();
  void stop();

  /// Collects where the loaders of all processes stand.
  void note_places();
  void start_seed();
  Value state() const;
  Value public_state() const;
  void load(const std::filesystem::path& path, const Value& state);
  void load_optimizer(const std::filesystem::path& path, const Dict& state);
  void say_what_differs(const Dict& own) const;
  /// Gives all ranks what rank 0 has.
  void share_state();
  void save(const std::string& name);

  Config config_;
  StartingPoint start_;  // without its state once that is loaded
  PixelCLIP model_;
  Comm& comm_;
  TrainingStep step_;
  Checkpointer checkpointer_;
  std::unique_ptr<EventStorage> events_;
  std::unique_ptr<TrainLoader> loader_;
  std::optional<DinoMasks> dino_;
  std::vector<SetResult> results_;
  Progress at_;
  bool scoring_ = true;  // a test set is on some rank's disk
  int64_t began_ = 0;    // steps that were done before this process
  int64_t saved_ = -1;   // steps done in the newest numbered file
  bool stopped_ = false;
  int64_t images_ = 0;  // since this process began; likewise the seconds
  double seconds_ = 0, data_seconds_ = 0;
};

}  // namespace pixelclip
