#pragma once

#include <filesystem>
#include <future>
#include <optional>
#include <string>
#include <vector>

#include "io/value.hpp"

namespace pixelclip {

/// Checkpoints of one run: OUTPUT_DIR/model_0000999.pth and so on, and the file `last_checkpoint`.
/// A thread writes the files atomically.
class Checkpointer {
 public:
  /// Keeps the `keep` newest numbered files (0: all). model_final.pth, model_best.pth and files
  /// with higher numbers than the one written are never removed.
  Checkpointer(std::filesystem::path folder, int64_t keep);
  /// Waits for the file that is being written.
  ~Checkpointer();

  /// Copies the tensors of `state` to host memory and returns; the file is written while training
  /// continues. A failure is logged when it happens; later saves are still tried.
  void save(const std::string& name, const Value& state);
  /// Errors: the last save failed.
  void wait();

  /// The checkpoint that `last_checkpoint` names, or the newest readable one before it, with its
  /// path; the log names unreadable ones. Nothing when the folder has none. Errors: it has some,
  /// but none can be read.
  std::optional<std::pair<std::filesystem::path, Value>> load_last() const;

  /// The file that load_last would try first; nothing when the folder has none.
  std::optional<std::filesystem::path> newest() const;

  /// "model_0000999" for iteration 999.
  static std::string numbered(int64_t iteration);

 private:
  void write(const std::string& name, const Value& state);
  /// What `last_checkpoint` names, then the numbered files before it, newest first.
  std::vector<std::filesystem::path> candidates() const;
  /// Removes unfinished files of runs that were killed.
  void remove_leftovers() const;
  /// Numbered files up to the iteration `newest`, newest first.
  std::vector<std::filesystem::path> numbered_files(int64_t newest) const;

  std::filesystem::path folder_;
  int64_t keep_;
  std::future<void> writing_;
};

}  // namespace pixelclip
