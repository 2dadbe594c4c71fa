#pragma once

#include <filesystem>
#include <string>

#include "pixelclip/io/state_dict.hpp"

namespace pixelclip {

/// A published CLIP's tensors in float32 under the names of OpenAI and open_clip, which CLIP uses
/// (visual.conv1.weight, transformer.resblocks.0.…, token_embedding.weight). Takes OpenAI's own
/// archive, open_clip (text tower at the top level or under text.), Hugging Face's CLIPModel, and
/// the student of a PixelCLIP checkpoint. What is no weight (sizes, masks, position ids) is left
/// out; unknown names stay as they are for the strict loader to report.
/// Errors: a Hugging Face layer without one of its q, k and v, or with shapes that do not fit.
StateDict to_clip_names(StateDict state);

/// The weights file that CLIP_PRETRAINED means: a file; a folder as Hugging Face publishes them; or
/// a name (ViT-B/16, convnext_base, …) looked for in the folders of $PIXELCLIP_WEIGHTS, weights/,
/// and the caches of CLIP, open_clip and Hugging Face. Nothing is downloaded.
/// Errors: nothing found, with every place and the file to fetch.
std::filesystem::path find_weights(const std::string& name_or_path);

/// The DINO ViT-S/16 file that MODEL.DINO_WEIGHTS means: `path`, or when that is empty dino_deitsmall16_pretrain.pth
/// in the folders of $PIXELCLIP_WEIGHTS, weights/, ~/.cache/clip, and where torch.hub keeps it
/// ($TORCH_HOME/hub/checkpoints), as the public code leaves it there.
/// Errors: nothing found, with every place and the file to fetch.
std::filesystem::path find_dino_weights(const std::string& path);

}  // namespace pixelclip
