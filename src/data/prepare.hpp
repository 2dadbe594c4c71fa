#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace pixelclip {

struct PrepareOptions {
  std::filesystem::path root = {};  ///< Folder of the published files; empty: $DETECTRON2_DATASETS.
  /// Output folder of the labels; empty: beside the published ones. In another folder, the images
  /// are linked, so that $DETECTRON2_DATASETS may point there.
  std::filesystem::path out = {};
  int threads = 0;  ///< 0: all cores.
};

struct PrepareReport {
  int64_t written = 0;                   ///< Label files written.
  int64_t kept = 0;                      ///< Complete files that existed.
  int64_t skipped = 0;                   ///< Images with nothing left to score, by the set's rule.
  std::vector<std::string> failed = {};  ///< "path: reason".
  bool complete = true;                  ///< False if stopped by a signal.
};

/// Short names of the sets that can be prepared: coco-stuff, ade20k, context, cityscapes, voc, …
const std::vector<std::string>& preparable_sets();

/// Writes a test set's labels as classes, a PNG per image (of 16 bits with more than 255 classes);
/// ADE-847 is shrunk as DatasetInfo::prepared_side says. `set` is one of preparable_sets() or the
/// catalog's name of a set with published labels. coco-stuff also means train2017; the half that is
/// not there is left out. Runs in parallel, each file atomically; a second call makes only what is
/// missing. Errors: unknown set, published files not found, nowhere to write.
PrepareReport prepare_sem_seg(const std::string& set, const PrepareOptions& options);

/// The catalog's sets that such a name stands for; the name itself when it is none of them.
std::vector<std::string> sets_called(const std::string& name);

}  // namespace pixelclip
