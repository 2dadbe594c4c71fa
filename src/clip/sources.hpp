#pragma once

#include "io/state_dict.hpp"

namespace pixelclip {

/// A published CLIP's tensors in float32 under the names of OpenAI and open_clip, which CLIP uses
/// (visual.conv1.weight, transformer.resblocks.0.…, token_embedding.weight). Takes OpenAI's own
/// archive, open_clip (text tower at the top level or under text.), Hugging Face's CLIPModel, and
/// the student of a PixelCLIP checkpoint. What is no weight (sizes, masks, position ids) is left
/// out; unknown names stay as they are for the strict loader to report.
/// Errors: a Hugging Face layer without one of its q, k and v, or with shapes that do not fit.
StateDict to_clip_names(StateDict state);

/// Whether the names are those of a PixelCLIP checkpoint: a student under sem_seg_head.predictor.
bool is_pixelclip(const StateDict& weights);

}  // namespace pixelclip
