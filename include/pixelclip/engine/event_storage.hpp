#pragma once

#include <deque>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>

namespace pixelclip {

/// The training run's scalars: one JSON object a line in metrics.json (detectron2's keys), and the
/// medians of the last 20 values for the log.
class EventStorage {
 public:
  /// Appends to OUTPUT_DIR/metrics.json. With `resume_at`, lines of that iteration and later, left by
  /// an interrupted run, are dropped first.
  EventStorage(const std::filesystem::path& output, int64_t resume_at);

  void put(const std::string& name, double value);
  /// Writes the values put since the last call as one line.
  void write(int64_t iteration);
  double median(const std::string& name) const;
  double latest(const std::string& name) const;

 private:
  std::filesystem::path path_;
  std::ofstream file_;
  std::map<std::string, double> current_;
  std::map<std::string, std::deque<double>> recent_;
};

}  // namespace pixelclip
