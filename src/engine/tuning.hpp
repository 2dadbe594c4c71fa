#pragma once

#include <string>
#include <vector>

#include "config/config.hpp"
#include "dist/comm.hpp"
#include "evaluation/comparison_report.hpp"

namespace pixelclip {

/// What `tune` searches and where.
struct TuningPlan {
  std::string set = {};
  int64_t images = 0;                  ///< Only the first images of the set; 0: all.
  std::vector<std::string> keys = {};  ///< Of tuning_axis_names(); empty: all.
  int rounds = 2;                      ///< Most passes over the keys.
};

/// One configuration that the search scored.
struct TuningTrial {
  int round = 1;
  std::string axis = {};
  std::string keys = {};     ///< What it changes of the best so far: "KEY VALUE KEY VALUE".
  double score = 0;          ///< mIoU on the images of the search, percent.
  bool chosen = false;       ///< It was the best so far.
  std::string refusal = {};  ///< Why it cannot be scored; empty: it was.
  std::string fingerprint = {};
};

struct TuningResult {
  std::string set = {};
  int64_t searched = 0, held_out = 0;  ///< Images of the search, and the rest.
  std::vector<TuningTrial> trials = {};
  double search_before = 0, search_after = 0;  ///< mIoU on the images of the search, percent.
  /// On the rest: "start", and "tuned" where the search changed something.
  ComparisonReport rest = {};
  Config tuned = {};  ///< With TEST.TUNED_ON.
  bool complete = true;

  /// mIoU on the rest before and after.
  double rest_before() const { return headline(rest.sets[0].comparison.results.front()); }
  double rest_after() const { return headline(rest.sets[0].comparison.results.back()); }
};

/// Whether an image belongs to the search; else it belongs to the rest, on which the outcome is
/// reported. Depends on the name alone; half of all names do.
bool is_searched(const std::string& stem);

/// Looks for better keys than those of `config` on one half of the images of a labelled set: one
/// axis after the other (tuning_axes), of which the best value is kept, until a pass changes
/// nothing. Then scores start and outcome on the other half, which took no part. Trials share what
/// score_ways shares and are kept in OUTPUT_DIR/search, so that a stopped search continues. All
/// ranks take part. Errors: as tuning_axes; the set is not on disk or has no labels; one of the
/// halves is empty.
TuningResult tune(const Config& config, const TuningPlan& plan, Comm& comm);

}  // namespace pixelclip
