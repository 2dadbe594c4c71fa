#pragma once

#include <filesystem>
#include <fstream>
#include <string>

namespace pixelclip {

/// Writes FOLDER/sem_seg_predictions.json while pictures are scored. Each rank keeps one line a
/// picture in a file of its own; at the end rank 0 joins them in the order of the set, so the file
/// does not depend on the number of ranks.
class PredictionWriter {
 public:
  /// An empty folder: nothing is written.
  PredictionWriter(std::filesystem::path folder, int rank, int world_size);
  /// Rank 0 removes the files of all ranks.
  ~PredictionWriter();

  /// The elements of one picture (see predictions_json); empty for one that was not scored.
  void add(const std::string& elements);
  /// Flushes this rank's lines; to be called before join() on any rank. Errors: a full disk.
  void finish();
  /// Rank 0, when all ranks have finished: writes the file.
  void join();

 private:
  std::filesystem::path part(int rank) const;

  std::filesystem::path folder_;
  int rank_, world_size_;
  std::ofstream lines_;
};

}  // namespace pixelclip
