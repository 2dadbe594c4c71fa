#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "clip/clip.hpp"
#include "clip/traits.hpp"
#include "io/state_dict.hpp"

namespace pixelclip {

/// A CLIP, or the student of a PixelCLIP checkpoint, to be built and loaded.
struct ClipFile {
  std::filesystem::path path;
  StateDict weights;  ///< float32, in CLIP's names
  ClipArchitecture architecture;
};

/// Finds, reads and analyzes CLIP weights: find_weights, to_clip_names, clip_architecture,
/// settle_traits. Traits set by hand come first. Errors name the file.
ClipFile open_clip(const std::string& name_or_path, const ClipTraits& by_hand = {});

/// The architecture alone; the tensors may be without data, and under any of the names that
/// to_clip_names takes. What was chosen and why goes to the log, unless not `say`.
ClipArchitecture analyze_clip(const WeightsFile& file, const StateDict& weights,
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
ClipArchitecture analyze_pixelclip(const StateDict& weights, const std::string& file,
                                   const Dict& entries, const ClipTraits& by_hand, bool say = true);

}  // namespace pixelclip
