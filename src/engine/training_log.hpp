#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/loader.hpp"
#include "engine/event_storage.hpp"
#include "engine/training_step.hpp"
#include "evaluation/report.hpp"

namespace pixelclip {

/// One step as the log reports it.
struct StepReport {
  int64_t iteration = 0;
  double seconds = 0, data_seconds = 0;  ///< of the step, and of them waiting for data
  double learning_rate = 0;              ///< the most common one
  std::optional<double> loss_scale = {}, teacher_distance = {};
};

/// What a run reports: lines of the log, metrics.json and TensorBoard on rank 0, and the throughput
/// at the end.
class TrainingLog {
 public:
  /// `max_iter` and `images` a step (of all ranks) are those of SOLVER. Rank 0 opens the files in
  /// `folder`, as EventStorage does.
  TrainingLog(const std::filesystem::path& folder, int64_t max_iter, int64_t images,
              int64_t iteration, bool is_main);

  /// Whether the step `iteration` gets a line of its own in the log.
  bool shows(int64_t iteration) const;

  void record(const StepReport& step, const StepResult& result, torch::Device device);
  /// Scores of the model before the step `iteration`, under detectron2's names. Only on rank 0.
  void record(const std::vector<SetResult>& results, int64_t iteration);
  /// Only on rank 0.
  void image(const std::string& name, const Image& image, int64_t iteration);
  /// What was trained since this process began.
  void summarize(const LoaderCounts& counts, torch::Device device) const;

 private:
  void print(const StepReport& step, torch::Device device) const;

  int64_t max_iter_, images_per_step_;
  std::unique_ptr<EventStorage> events_;  // of rank 0
  int64_t images_ = 0;
  double seconds_ = 0, data_seconds_ = 0;
};

}  // namespace pixelclip
