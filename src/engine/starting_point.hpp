#pragma once

#include "dist/comm.hpp"
#include "engine/build.hpp"
#include "io/value.hpp"

namespace pixelclip {

/// What a run begins with.
struct StartingPoint : LoadedModel {
  bool resume = false;   ///< --resume was given: what OUTPUT_DIR holds is of this very run
  bool goes_on = false;  ///< `source` is a checkpoint of OUTPUT_DIR
  Value state;           ///< of that checkpoint, on rank 0 alone
};

/// With `resume` the newest usable checkpoint of OUTPUT_DIR, if there is one: rank 0 reads it and
/// the others have everything from there, so that they need not see that folder, and no CLIP is
/// needed on disk. Else what MODEL.WEIGHTS or CLIP_PRETRAINED name, as load_model. The model lies
/// on this rank's device.
StartingPoint starting_point(const Config& config, Comm& comm, bool resume);

}  // namespace pixelclip
