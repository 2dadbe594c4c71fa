#pragma once

#include <torch/types.h>

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "data/sem_seg.hpp"
#include "evaluation/report.hpp"
#include "evaluation/sem_seg_evaluator.hpp"
#include "image/image.hpp"

namespace pixelclip {

struct EvaluateOptions {
  std::vector<std::string> names = {};  ///< Class names; empty: from the set's class JSON.
  /// Folder for sem_seg_predictions.json and the progress files of an interrupted evaluation;
  /// empty: neither is written.
  std::filesystem::path predictions = {};
  TestRule rule = TestRule::pixelclip;  ///< TEST.RULE; pixelclip: the rule of the set
  std::string protocol = {};  ///< Other settings that the scores depend on: templates, sizes …
  std::string weights = {};   ///< Checksum of the weights; ends the fingerprint.
  int threads = 0;            ///< Images processed at once; 0: all cores.
  int batch = 1;              ///< Maximum number of images per call of the score function.
  int64_t limit = 0;          ///< Score only the first images of the set; 0: all.
  SemSegSet::Accepts among = {};  ///< Of these, only the ones that it accepts; empty: all.
  int examples = 0;               ///< Best, worst and random images kept for the report.
  bool keep_progress = false;     ///< Keep the progress files until forget_progress().
  int rank = 0, world_size = 1;   ///< This rank scores items rank, rank + world_size, …
  /// Sums a tensor of counts over all ranks in place; needed when world_size > 1. Only matrices and
  /// counts are exchanged; each rank writes its predictions, and rank 0 joins them.
  std::function<void(torch::Tensor&)> all_reduce = {};
};

/// float [classes, h, w] scores of an image; h×w is the model's grid (64×64). Called concurrently.
using ScoreFunction = std::function<torch::Tensor(const Image& rgb)>;
/// The same for several images.
using BatchScoreFunction = std::function<std::vector<torch::Tensor>(const std::vector<Image>& rgb)>;

/// Scores a test set: threads read images (EXIF, RGB), call `scores`, take the argmax at the
/// image's original size and compare it with the labels. One thread processes an image, with a
/// single LibTorch thread, so that on a CPU the counts do not depend on the number of threads.
/// Shows progress with ETA. After a signal it returns partial results; a later call with the same
/// `predictions` and settings continues. Unreadable images are logged, listed and left out. Errors:
/// the set is missing or empty, names that disagree with the labels.
SetResult evaluate(const DatasetInfo& info, const BatchScoreFunction& scores,
                   const EvaluateOptions& options);
SetResult evaluate(const DatasetInfo& info, const ScoreFunction& scores, EvaluateOptions options);

/// Scores of images by each of the ways `wanted` (their positions): [wanted][images].
using WaysScoreFunction = std::function<std::vector<std::vector<torch::Tensor>>(
    const std::vector<Image>& rgb, const std::vector<size_t>& wanted)>;

/// An image on which several ways of scoring disagree.
struct ContestedImage {
  std::string stem = {};
  double share = 0;  ///< Of the pixels that not all ways label alike, percent.
  Image image = {};
  LabelMap truth = {};
  std::vector<LabelMap> predictions = {};  ///< Of each way.
};

/// Several ways of scoring a set, side by side.
struct Comparison {
  std::vector<SetResult> results = {};         ///< Of each way.
  std::vector<ContestedImage> contested = {};  ///< The most contested first; on rank 0.
};

/// Scores a set in several ways, each image and its labels read once. Ways differ in names, rule,
/// protocol, weights and `predictions`, where each keeps its own progress: a way that was scored
/// before is not scored again. Threads, batch, limit, among and ranks are those of the first.
/// `contested` images are kept for the report, where all ways keep predictions. Errors: as
/// evaluate().
Comparison evaluate_ways(const DatasetInfo& info, const WaysScoreFunction& scores,
                         const std::vector<EvaluateOptions>& ways, int contested = 0);

/// Removes the progress files of an evaluation in `predictions`.
void forget_progress(const std::filesystem::path& predictions);

}  // namespace pixelclip
