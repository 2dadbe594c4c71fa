#pragma once

#include "clip/traits.hpp"
#include "config/model_config.hpp"

namespace pixelclip {

/// The activation and heads of CLIP_ACTIVATION and CLIP_HEADS.
ClipTraits configured_traits(const SemSegHeadConfig& head);

}  // namespace pixelclip
