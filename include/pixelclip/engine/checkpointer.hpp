#pragma once

#include <filesystem>
#include <future>
#include <optional>
#include <string>
#include <vector>

#include "pixelclip/io/value.hpp"

namespace pixelclip {

/// Checkpoints of one run: OUTPUT_DIR/model_0000999.pth and so on, `last_checkpoint` beside them.
/// Files are written on a thread of their own, whole or not at all.
class Checkpointer {
 public:
  /// Keeps the `keep` newest numbered files (0: all); model_final.pth and model_best.pth stay.
  Checkpointer(std::filesystem::path folder, int64_t keep);
  /// Waits for the file that is being written.
  ~Checkpointer();

  /// Copies the tensors of `state` to host memory and returns; the rest happens beside training. A
  /// failure to write the one before is thrown here or by wait().
  void save(const std::string& name, const Value& state);
  void wait();

  /// The newest checkpoint that can be read, with its path; unreadable newer ones are named in the
  /// log. Nothing when the folder holds none.
  std::optional<std::pair<std::filesystem::path, Value>> load_last() const;

  /// "model_0000999" for iteration 999.
  static std::string numbered(int64_t iteration);

 private:
  void write(const std::string& name, const Value& state);
  /// Half-written files of runs that were killed.
  void remove_leftovers() const;
  /// Numbered files, newest first.
  std::vector<std::filesystem::path> numbered_files() const;

  std::filesystem::path folder_;
  int64_t keep_;
  std::future<void> writing_;
};

}  // namespace pixelclip
