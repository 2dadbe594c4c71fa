#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "pixelclip/config/config.hpp"
#include "pixelclip/dist/comm.hpp"
#include "pixelclip/evaluation/evaluate.hpp"
#include "pixelclip/modeling/pixelclip.hpp"

namespace pixelclip {

/// Which sets are scored and with which names and templates.
struct ScoringPlan {
  std::vector<std::string> sets;
  std::string class_json;  ///< one list for all sets; empty: each set's own
  std::vector<std::string> templates;
};

/// DATASETS.TEST with TEST_CLASS_JSON and PROMPT_ENSEMBLE_TYPE, as the public `--eval-only`.
ScoringPlan test_plan(const Config& config);
/// TEST.PROTOCOL, each set with its own names, under TEST.PROMPT_ENSEMBLE_TYPE.
ScoringPlan protocol_plan(const Config& config);

/// Image [3, H, W] uint8 as the model takes it: RGB or BGR by INPUT.FORMAT.
torch::Tensor to_tensor(const Image& rgb, const std::string& format);

/// Class scores of a picture: resized by MIN_SIZE_TEST and MAX_SIZE_TEST, then PixelCLIP's.
ScoreFunction score_function(PixelCLIP& model, const Config& config, const torch::Tensor& classes);

/// Scores the sets of `plan`; predictions go to `output`/inference (in a folder of each set's name
/// when `folder_per_set`). Sets that are not on disk are named and left out. All ranks take part; the
/// results are complete on every rank. Errors: none of the sets is there.
std::vector<SetResult> score_sets(PixelCLIP& model, const Config& config, const ScoringPlan& plan, Comm& comm,
                                  const std::filesystem::path& output, bool folder_per_set);

}  // namespace pixelclip
