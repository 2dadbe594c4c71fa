#pragma once

#include <memory>
#include <vector>

#include "data/sem_seg.hpp"

namespace pixelclip {

/// The images of a test set with their labels, as SemSegSet describes.
struct SetPairs {
  std::vector<LabelSource> sources;  ///< Sources that items take labels from; at least one.
  std::vector<std::shared_ptr<const MergedLabels>> merged;  ///< Of each source; null for folders.
  std::vector<SemSegItem> items;
  PairReport report;
};

/// Errors: the set is missing, an unreadable list or merged file.
SetPairs pair_up(const DatasetInfo& info);

}  // namespace pixelclip
