#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "clip/clip.hpp"
#include "io/value.hpp"

namespace pixelclip {

/// Properties of a tower that its tensors do not show: the activation of its blocks and the heads
/// of its attention.
struct TowerTraits {
  std::optional<Activation> activation;  ///< none: not known
  int64_t heads = 0;                     ///< 0: not known
};

/// Traits of both towers, and their source for the log.
struct ClipTraits {
  TowerTraits image, text;
  std::string source;
  std::string fault;  ///< a setting of the source that is not supported here; empty: none
};

/// Traits set by hand: `activation` "auto", "gelu" or "quick_gelu"; `heads` [] or [image, text], 0
/// where unknown. `key` names the setting in the log. Errors: other values.
ClipTraits chosen_traits(const std::string& activation, const std::vector<int64_t>& heads,
                         const std::string& key);

/// The entries beside the weights of this program's files: clip_activation and clip_heads; empty
/// without them. Errors: invalid values.
ClipTraits recorded_traits(const Dict& entries, const std::string& file);
/// The same entries for a file that is to be written.
std::map<std::string, std::string> record_of(const ClipArchitecture& architecture);

/// The choices and their reasons, one sentence each; `warning` if the activation is unknown, else
/// empty.
struct SettledTraits {
  std::string choice, warning;
};

/// Sets the architecture's activations and heads from the first source that knows each, then from
/// the widths of published models. An unknown activation is OpenAI's QuickGELU
/// for a ViT. `file` is named in errors. Errors: widths that no published model has, when no source
/// tells the heads; heads that do not divide them; a source with a fault, unless the activation was
/// set by hand.
SettledTraits settle_traits(ClipArchitecture& architecture, const std::vector<ClipTraits>& sources,
                            const std::string& file);

/// All sources in order for the weights of a plain CLIP: set by hand, recorded in the file, the
/// JSON beside it, its name, its form ("TorchScript archive" is OpenAI's).
std::vector<ClipTraits> sources_of_traits(const ClipTraits& by_hand, const std::string& asked,
                                          const std::filesystem::path& weights,
                                          const std::string& form, const Dict& entries,
                                          const ClipArchitecture& architecture);

/// The heads of published image encoders and text towers of this width, and OpenAI's rule of 64
/// numbers a head for the narrow ones of tests (below 192); 0 for other widths.
int64_t published_image_heads(int64_t width);
int64_t published_text_heads(int64_t width);

}  // namespace pixelclip
