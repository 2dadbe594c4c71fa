#pragma once

#include "config/config.hpp"
#include "dist/comm.hpp"
#include "engine/model_factory.hpp"
#include "io/value.hpp"

namespace pixelclip {

/// What a run starts with.
struct StartingPoint : LoadedModel {
  bool resume = false;   ///< --resume was given: the files in OUTPUT_DIR belong to this run
  bool resumed = false;  ///< `source` is a checkpoint in OUTPUT_DIR
  Value state;           ///< of that checkpoint, on rank 0 alone
};

/// With `resume` the newest usable checkpoint of OUTPUT_DIR, if there is one: rank 0 reads it and
/// sends everything to the others, so that they need neither that folder nor a CLIP on disk. Else
/// what MODEL.WEIGHTS or CLIP_PRETRAINED name, as load_model. The model is on this rank's device.
StartingPoint starting_point(const Config& config, Comm& comm, bool resume);

}  // namespace pixelclip
