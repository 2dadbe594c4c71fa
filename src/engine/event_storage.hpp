#pragma once

#include <deque>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>

#include "engine/tensorboard.hpp"

namespace pixelclip {

/// The training run's scalars: one JSON object a line in metrics.json (detectron2's keys), the same
/// for TensorBoard, and the medians of the last 20 values for the log.
class EventStorage {
 public:
  /// Appends to OUTPUT_DIR/metrics.json. First removes lines of the iteration `resume_at` and
  /// later, which an interrupted run left and which will be written again. Lines of detectron2,
  /// each a summary of up to 20 iterations, are kept.
  EventStorage(const std::filesystem::path& output, int64_t resume_at);

  void put(const std::string& name, double value);
  /// Writes the values put since the last call as one line, without those that are not finite.
  void write(int64_t iteration);
  /// An image for TensorBoard.
  void picture(const std::string& name, const Image& image, int64_t iteration);
  double median(const std::string& name) const;
  double latest(const std::string& name) const;

 private:
  std::filesystem::path path_;
  std::ofstream file_;
  TensorBoardWriter board_;
  std::map<std::string, double> current_;
  std::map<std::string, std::deque<double>> recent_;
};

}  // namespace pixelclip
