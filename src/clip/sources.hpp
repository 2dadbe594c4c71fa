#pragma once

#include <filesystem>
#include <string>

#include "clip/clip.hpp"
#include "clip/traits.hpp"
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

/// A CLIP, or the student of a PixelCLIP checkpoint, ready to be built and loaded.
struct ClipFile {
  std::filesystem::path path;
  StateDict weights;  ///< float32, in CLIP's names
  ClipArchitecture architecture;
};

/// Finds, reads and understands CLIP weights: find_weights, to_clip_names, clip_architecture,
/// settle_traits. Traits set by hand come first. Errors name the file.
ClipFile open_clip(const std::string& name_or_path, const ClipTraits& by_hand = {});

/// The architecture alone; the tensors may be without data, and under any of the names that
/// to_clip_names takes. What was chosen and why goes to the log, unless not `say`.
ClipArchitecture understand(const WeightsFile& file, const StateDict& weights,
                            const std::string& asked, const std::filesystem::path& path,
                            const ClipTraits& by_hand, bool say = true);

/// The same of a file that was found and read: `weights` are its tensors under the names they have
/// there.
ClipFile open_clip(const WeightsFile& file, StateDict weights, const std::string& asked,
                   const std::filesystem::path& path, const ClipTraits& by_hand);

/// Where activation and heads of a PixelCLIP checkpoint's student come from: set by hand, as
/// `entries` beside the weights record them, else as the public code computes: OpenAI's rules for a
/// ViT, open_clip's for a ConvNeXt.
std::vector<ClipTraits> pixelclip_sources(const ClipTraits& by_hand, const std::string& file,
                                          const Dict& entries,
                                          const ClipArchitecture& architecture);
/// The student's architecture by these sources; `weights` under the checkpoint's names.
ClipArchitecture understand_pixelclip(const StateDict& weights, const std::string& file,
                                      const Dict& entries, const ClipTraits& by_hand,
                                      bool say = true);

/// The weights file that CLIP_PRETRAINED means: a file; a folder as Hugging Face publishes them; or
/// a name (ViT-B/16, convnext_base, …) looked for in the folders of $PIXELCLIP_WEIGHTS, weights/,
/// and the caches of CLIP, open_clip and Hugging Face. Nothing is downloaded.
/// Errors: nothing found, with every place and the file to fetch.
std::filesystem::path find_weights(const std::string& name_or_path);

/// The DINO ViT-S/16 file that MODEL.DINO_WEIGHTS means: `path`, or when that is empty
/// dino_deitsmall16_pretrain.pth in the folders of $PIXELCLIP_WEIGHTS, weights/, ~/.cache/clip, and
/// where torch.hub keeps it
/// ($TORCH_HOME/hub/checkpoints), as the public code leaves it there.
/// Errors: nothing found, with every place and the file to fetch.
std::filesystem::path find_dino_weights(const std::string& path);

}  // namespace pixelclip
