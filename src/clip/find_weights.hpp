#pragma once

#include <filesystem>
#include <string>

namespace pixelclip {

/// The weights file of CLIP_PRETRAINED, which is a file, a folder in the layout of Hugging Face, or
/// a name (ViT-B/16, convnext_base, …) that is searched in the folders of $PIXELCLIP_WEIGHTS,
/// weights/ and the caches of CLIP, open_clip and Hugging Face. Nothing is downloaded. Errors:
/// nothing found, with every place and the file to fetch.
std::filesystem::path find_weights(const std::string& name_or_path);

/// The DINO ViT-S/16 file of MODEL.DINO_WEIGHTS: `path`, or if that is empty
/// dino_deitsmall16_pretrain.pth in the folders of $PIXELCLIP_WEIGHTS, weights/, ~/.cache/clip, and
/// torch.hub's folder ($TORCH_HOME/hub/checkpoints), where the public code keeps it.
/// Errors: nothing found, with every place and the file to fetch.
std::filesystem::path find_dino_weights(const std::string& path);

/// The file of MODEL.DENSE.HELPER_WEIGHTS: a path, or one of torch.hub's names of DINO
/// (dino_vits16, dino_vits8, dino_vitb16, dino_vitb8) and DINOv2 (dinov2_vits14, dinov2_vitb14,
/// and each with _reg), whose file is searched in the same places. Errors: as find_dino_weights.
std::filesystem::path find_helper_weights(const std::string& name_or_path);

}  // namespace pixelclip
