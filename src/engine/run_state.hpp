#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/loader.hpp"
#include "io/value.hpp"

namespace pixelclip {

/// Where a training run stands. With the tensors of model, optimiser and loss scaler it is all that
/// a checkpoint needs.
struct RunState {
  uint64_t seed = 0;
  int64_t iteration = 0;            ///< the step that runs or comes next
  int64_t position = 0;             ///< samples of the stream that were delivered
  std::vector<StreamPlace> places;  ///< of all ranks; empty: all begin at `position`
  int64_t evaluated = 0;            ///< steps done when DATASETS.TEST was last scored
  int64_t skipped = 0;              ///< steps left out because they were not finite
  double best = -1;                 ///< TEST.BEST_METRIC so far
  bool operator==(const RunState&) const = default;
};

/// How the images of a step are spread.
struct StepLayout {
  int64_t ranks = 1;   ///< processes
  int64_t parts = 1;   ///< of each process (SOLVER.ACCUMULATE_STEPS)
  int64_t images = 1;  ///< of all ranks together
  bool operator==(const StepLayout&) const = default;
};

/// JSON objects, for other ranks.
std::string to_json(const RunState& state);
RunState run_state_from_json(const std::string& text);
std::string to_json(const std::vector<StreamPlace>& places);
std::vector<StreamPlace> places_from_json(const std::string& text);

/// The entry "pixelclip" of a checkpoint: what the public trainer does not keep.
Dict to_dict(const RunState& state, const StepLayout& layout);

/// Takes over what such an entry holds; later fields may be missing. Places are taken over only
/// when they are of as many ranks as `layout` has. Returns the layout in the entry; what it lacks
/// is that of `layout`. Errors: seed, position or best are missing, or a value has another type.
StepLayout read_run_state(const Dict& entry, const StepLayout& layout, RunState& state);

}  // namespace pixelclip
