#pragma once

#include "clip/traits.hpp"
#include "config/config.hpp"

namespace pixelclip {

/// The activation and heads that MODEL.SEM_SEG_HEAD.CLIP_ACTIVATION and CLIP_HEADS set.
ClipTraits configured_traits(const Config& config);

}  // namespace pixelclip
