#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "dist/comm.hpp"
#include "evaluation/comparison_report.hpp"

namespace pixelclip {

/// What `compare` scores: every protocol with every method and all weights, on every set.
struct ComparisonPlan {
  /// Configuration files of protocols, such as configs/eval/naclip.yaml; empty: that of the run.
  std::vector<std::string> protocols = {};
  std::vector<std::string> methods = {};    ///< Of MODEL.DENSE.METHOD; empty: each protocol's own.
  std::vector<std::string> weights = {};    ///< MODEL.WEIGHTS or names; empty: the protocol's own.
  std::vector<std::string> overrides = {};  ///< KEY VALUE …, for all.
  int contested = 6;                        ///< Images of each set on the page.
};

/// Scores the sets of TEST.PROTOCOL in all ways of the plan. Of each set, an image is decoded once,
/// and for ways that differ in method alone the blocks before the last run once. Each way keeps its
/// progress in OUTPUT_DIR/ways/NAME, so a second call scores only what is new or changed.
/// `after_each` gets on rank 0 what is known after each set. Errors: two equal ways, a method that
/// the weights do not allow, none of the sets is on disk.
ComparisonReport compare(const Config& config, const ComparisonPlan& plan, Comm& comm,
                         const std::function<void(const ComparisonReport&)>& after_each = {});

}  // namespace pixelclip
