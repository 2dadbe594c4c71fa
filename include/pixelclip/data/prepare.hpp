#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace pixelclip {

struct PrepareOptions {
  std::filesystem::path root = {};  ///< Where the published files lie; empty: $DETECTRON2_DATASETS.
  /// Where the labels go; empty: beside the published ones. Elsewhere, the pictures are linked, so
  /// that $DETECTRON2_DATASETS may point there.
  std::filesystem::path out = {};
  int threads = 0;  ///< 0: all cores.
};

struct PrepareReport {
  int64_t written = 0;  ///< Label files made now.
  int64_t kept = 0;     ///< Whole ones that were there.
  int64_t skipped = 0;  ///< Pictures with nothing left to score, by the set's rule.
  std::vector<std::string> failed = {};  ///< "path: reason".
  bool complete = true;                  ///< False when stopped by a signal.
};

/// The sets that can be prepared: coco-stuff, ade20k, context, cityscapes, voc.
const std::vector<std::string>& preparable_sets();

/// Writes a test set's labels as classes (reference label rules), a PNG a picture. Runs in
/// parallel, each file atomically; a second call makes only what is missing. Errors: unknown set,
/// published files not found, nowhere to write.
PrepareReport prepare_sem_seg(const std::string& set, const PrepareOptions& options);

}  // namespace pixelclip
