#pragma once

#include <filesystem>
#include <vector>

#include "clip/traits.hpp"

namespace pixelclip {

/// The traits in the JSON beside a weights file: open_clip's open_clip_config.json or model
/// configuration, Hugging Face's config.json, the file's own name with .json. A file that disagrees
/// with the tensors' sizes or that is no JSON is passed over with a warning; activations and parts
/// that are not computed here are its fault.
std::vector<ClipTraits> traits_beside(const std::filesystem::path& weights,
                                      const ClipArchitecture& architecture);

}  // namespace pixelclip
