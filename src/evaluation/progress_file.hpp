#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace pixelclip {

/// The nonzero entries of a count matrix: (index, pixels).
using SparseCounts = std::vector<std::pair<int64_t, int64_t>>;

/// Result of one image of a set.
struct ImageRecord {
  enum class State : char { scored = 's', unlabelled = 'u', unreadable = 'x' };
  int64_t index = 0;  ///< in the set
  State state = State::scored;
  SparseCounts confusion, boundary;
  std::string text;  ///< scored: see predictions_json; unreadable: the reason
};

/// Stores the results of a running evaluation, one line per image and one file per rank
/// (FOLDER/.progress.RANK). An interrupted evaluation continues from these files with any number of
/// ranks, and sem_seg_predictions.json is built from them. Files with another fingerprint are
/// ignored.
class ProgressFile {
 public:
  using Visitor = std::function<void(ImageRecord&&)>;

  /// With an empty folder nothing is stored.
  ProgressFile(std::filesystem::path folder, const std::string& fingerprint, int rank,
               int world_size);

  /// Calls `visit` once for each image that an earlier run scored or found unlabelled. Must be
  /// called before add().
  void recall(const Visitor& visit);
  void add(const ImageRecord& record);
  /// Must be called on all ranks before join(). Errors: a full disk.
  void finish();
  /// On rank 0, after all ranks have finished: writes FOLDER/sem_seg_predictions.json in the order
  /// of the set, independent of the number of ranks, and calls `visit` for each record.
  void join(const Visitor& visit);
  /// The record of one image, after join().
  ImageRecord read(int64_t index) const;
  /// Whether there is one.
  bool holds(int64_t index) const { return places_.contains(index); }

  /// Removes the progress files in `folder`.
  static void remove(const std::filesystem::path& folder);

 private:
  struct Place {
    std::filesystem::path file;
    std::streamoff begin, end;
  };
  void scan(const std::filesystem::path& file,
            const std::function<void(ImageRecord&&, Place)>& visit) const;
  std::filesystem::path part(int rank) const;

  std::filesystem::path folder_;
  std::string head_;
  int rank_, world_size_;
  std::ofstream lines_;
  std::map<int64_t, Place> places_;
};

}  // namespace pixelclip
