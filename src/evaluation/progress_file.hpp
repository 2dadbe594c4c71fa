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

/// The entries of a matrix of counts that are not 0: (place, pixels).
using SparseCounts = std::vector<std::pair<int64_t, int64_t>>;

/// What became of one image of a set.
struct ImageRecord {
  enum class State : char { scored = 's', unlabelled = 'u', unreadable = 'x' };
  int64_t index = 0;  ///< in the set
  State state = State::scored;
  SparseCounts confusion, boundary;
  std::string text;  ///< scored: see predictions_json; unreadable: the reason
};

/// Keeps what an evaluation has found out, a line an image and a file a rank
/// (FOLDER/.progress.RANK), while it runs: an interrupted one goes on from there, with any number
/// of ranks, and sem_seg_predictions.json is made of it. Lines count only under the same
/// fingerprint.
class ProgressFile {
 public:
  using Visitor = std::function<void(ImageRecord&&)>;

  /// An empty folder: nothing is kept.
  ProgressFile(std::filesystem::path folder, const std::string& fingerprint, int rank,
               int world_size);

  /// Calls `visit` once for each image that an earlier run has scored or found unlabelled; to be
  /// called before add().
  void recall(const Visitor& visit);
  void add(const ImageRecord& record);
  /// To be called before join() on any rank. Errors: a full disk.
  void finish();
  /// Rank 0, when all ranks have finished: writes FOLDER/sem_seg_predictions.json in the order of
  /// the set, so that it does not depend on the number of ranks; `visit` sees each record.
  void join(const Visitor& visit);
  /// The record of one image, after join().
  ImageRecord read(int64_t index) const;
  /// Whether there is one.
  bool holds(int64_t index) const { return places_.contains(index); }

  /// Removes what is kept in `folder`.
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
