#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "dist/comm.hpp"
#include "evaluation/evaluate.hpp"
#include "inference/class_scorer.hpp"
#include "modeling/pixelclip.hpp"

namespace pixelclip {

/// Which sets are scored and with which names and templates.
struct ScoringPlan {
  std::vector<std::string> sets;
  std::string class_json;  ///< one list for all sets; empty: each set's own
  std::vector<std::string> templates;
  int examples = 0;                        ///< best, worst and random images kept of each set
  std::vector<ComparedRow> compared = {};  ///< published results, shown beside these
  bool plain_clip = false;                 ///< the weights are CLIP's; tables and log say so
};

/// Throws before the first image what scoring would throw when it reaches a set: names that do not
/// fit the labels of a set on disk. Returns the names of the first set that is on disk.
std::vector<std::string> check_plan(const Config& config, const ScoringPlan& plan);

/// DATASETS.TEST with TEST_CLASS_JSON and PROMPT_ENSEMBLE_TYPE, as the public `--eval-only`.
ScoringPlan test_plan(const Config& config);
/// TEST.PROTOCOL under TEST.PROMPT_ENSEMBLE_TYPE, each set with its own names unless there is a
/// TEST.CLASS_JSON.
ScoringPlan protocol_plan(const Config& config);

/// A set, ready to be scored by one model as one configuration says.
struct SetScoring {
  EvaluateOptions options = {};
  /// The views of images, made by any thread.
  std::function<ViewBatch(const std::vector<Image>&)> views = {};
  /// Their scores. On a GPU, calls must not overlap.
  std::function<std::vector<torch::Tensor>(ViewBatch)> score = {};
};

/// `config` with TEST.PER_SET applied, the set's names and embeddings, and the scorer; `recipe`
/// overrides MODEL.DENSE, `weights` is weights_checksum(model). On a GPU, calls of `scores` must
/// not overlap. Errors: names that do not fit the labels of the set; see ClassScorer.
SetScoring prepare_scoring(PixelCLIP& model, const Config& config, const ScoringPlan& plan,
                           const DatasetInfo& info, Comm& comm, const DenseRecipe& recipe,
                           const std::string& weights);

using ResultsFunction = std::function<void(const std::vector<SetResult>&)>;

/// Scores the sets of `plan`; predictions and confusion.csv go to `output`/inference (in a folder
/// of each set's name when `folder_per_set`). Sets that are not on disk, or that the plan's class
/// list does not fit, are named and skipped. All ranks take part; the results are complete on every
/// rank. A call that a signal ended early continues where it stopped when it is repeated. Rank 0
/// passes all results so far to `after_each` after each set. Errors: none of the sets can
/// be scored; a class list that does not fit the only set. A plan without sets gives no results.
std::vector<SetResult> score_sets(PixelCLIP& model, const Config& config, const ScoringPlan& plan,
                                  Comm& comm, const std::filesystem::path& output,
                                  bool folder_per_set, const ResultsFunction& after_each = {});

}  // namespace pixelclip
