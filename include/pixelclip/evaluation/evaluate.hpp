#pragma once

#include <torch/torch.h>

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "pixelclip/data/sem_seg.hpp"
#include "pixelclip/evaluation/report.hpp"
#include "pixelclip/evaluation/sem_seg_evaluator.hpp"
#include "pixelclip/image/image.hpp"

namespace pixelclip {

struct EvaluateOptions {
  std::vector<std::string> names = {};  ///< Class names; empty: from the set's class JSON.
  std::filesystem::path predictions =
      {};                        ///< Folder for sem_seg_predictions.json; empty: not kept.
  std::string rule = {};         ///< TEST.RULE; "mmseg" scores by that rule, else by the set's own.
  int threads = 0;               ///< For argmax and decoding; 0: all cores.
  int prefetch = 4;              ///< Pictures decoded ahead.
  int64_t limit = 0;             ///< Score only the first pictures of the set; 0: all.
  int rank = 0, world_size = 1;  ///< This rank scores items rank, rank + world_size, …
  /// Sums a tensor of counts over all ranks in place; needed when world_size > 1. Only matrices and
  /// counts travel; predictions of each rank are written by that rank and joined on rank 0.
  std::function<void(torch::Tensor&)> all_reduce = {};
  /// Called for each scored picture, in order, on a worker thread.
  std::function<void(const SemSegItem&, const Image&, const LabelMap& prediction,
                     const LabelMap& truth)>
      on_picture = {};
};

/// float [classes, h, w] scores of a picture on the CPU; h×w is the model's grid (64×64).
using ScoreFunction = std::function<torch::Tensor(const Image& rgb)>;

/// Scores a test set: reads pictures (EXIF, RGB) on worker threads, asks `scores`, resizes and
/// takes the argmax at the picture's own size, and compares with the labels. Shows progress with
/// ETA; stops at a signal with what is known so far. Pictures that cannot be read are logged,
/// listed and left out. Errors: the set is missing or empty, names that disagree with the labels.
SetResult evaluate(const DatasetInfo& info, const ScoreFunction& scores,
                   const EvaluateOptions& options);

}  // namespace pixelclip
