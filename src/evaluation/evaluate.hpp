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
  /// Folder for sem_seg_predictions.json and for what an interrupted evaluation goes on from;
  /// empty: neither is kept.
  std::filesystem::path predictions = {};
  TestRule rule = TestRule::pixelclip;  ///< TEST.RULE; pixelclip: the rule of the set
  std::string protocol = {};            ///< What else the numbers depend on: templates, sizes …
  std::string weights = {};             ///< Checksum of the weights; ends the fingerprint.
  int threads = 0;                      ///< Images in work at once; 0: all cores.
  int batch = 1;                        ///< Images a call of the score function gets at most.
  int64_t limit = 0;                    ///< Score only the first images of the set; 0: all.
  int examples = 0;                     ///< Best, worst and random images kept for the report.
  bool keep_progress = false;           ///< Leave removing the progress files to forget_progress().
  int rank = 0, world_size = 1;         ///< This rank scores items rank, rank + world_size, …
  /// Sums a tensor of counts over all ranks in place; needed when world_size > 1. Only matrices and
  /// counts travel; predictions of each rank are written by that rank and joined on rank 0.
  std::function<void(torch::Tensor&)> all_reduce = {};
};

/// float [classes, h, w] scores of an image; h×w is the model's grid (64×64). Several threads call
/// it at once.
using ScoreFunction = std::function<torch::Tensor(const Image& rgb)>;
/// The same of several images.
using BatchScoreFunction = std::function<std::vector<torch::Tensor>(const std::vector<Image>& rgb)>;

/// Scores a test set: threads read images (EXIF, RGB), ask `scores`, take the argmax at the
/// image's own size and compare with the labels. Each image is worked off by one thread with
/// LibTorch's own threads at one, so that on a CPU the counts do not depend on how many there are.
/// Shows progress with ETA; stops at a signal with what is known so far, and goes on from there
/// when it is called again with the same `predictions` and everything else equal. Images that
/// cannot be read are logged, listed and left out. Errors: the set is missing or empty, names that
/// disagree with the labels.
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
/// before is not scored again. Threads, batch, limit and ranks are those of the first. `contested`
/// images are kept for the report, where all ways keep predictions. Errors: as evaluate().
Comparison evaluate_ways(const DatasetInfo& info, const WaysScoreFunction& scores,
                         const std::vector<EvaluateOptions>& ways, int contested = 0);

/// Removes what an evaluation has kept in `predictions` to go on from.
void forget_progress(const std::filesystem::path& predictions);

}  // namespace pixelclip
