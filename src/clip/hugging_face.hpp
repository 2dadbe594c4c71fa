#pragma once

#include "io/state_dict.hpp"

namespace pixelclip {

/// Whether the names are those of Hugging Face's CLIPModel.
bool is_hugging_face(const StateDict& state);

/// Hugging Face's names → CLIP's. Unknown names stay as they are. Errors: a layer without one of
/// its q, k and v, or with shapes that do not fit.
StateDict from_hugging_face(const StateDict& state);

/// The reverse, for a CLIP with a ViT; exact.
StateDict to_hugging_face(const StateDict& clip);

}  // namespace pixelclip
