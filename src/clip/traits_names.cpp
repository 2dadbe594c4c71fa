#include "clip/traits_names.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <string_view>

#include "base/error.hpp"

namespace pixelclip {
namespace {

/// Parts of the names under which CLIPs are published, in lower case with '-' for '_' and '/'; the
/// first that fits decides. From open_clip's table of pretrained weights (3.3) and OpenAI's list.
struct Part {
  std::string_view text;
  Activation activation;
};
constexpr std::array<Part, 25> kParts{{
    {"quickgelu", Activation::quick_gelu},
    {"quick-gelu", Activation::quick_gelu},
    {"altogether", Activation::gelu},                             // MetaCLIP v1.2
    {"huge-patch14-clip-224.metaclip2", Activation::quick_gelu},  // MetaCLIP 2
    {"metaclip2", Activation::gelu},
    {"metaclip", Activation::quick_gelu},
    {"b32-400m", Activation::quick_gelu},  // MetaCLIP's own files
    {"b16-400m", Activation::quick_gelu},
    {"l14-400m", Activation::quick_gelu},
    {"fullcc2.5b", Activation::quick_gelu},
    {"dfn2b-clip-vit-l-14-39b", Activation::gelu},
    {"dfn2b", Activation::quick_gelu},
    {"dfn5b", Activation::quick_gelu},
    {"patch32-clip-224.laion400m",
     Activation::quick_gelu},  // timm's copies of open_clip's first models
    {".openai", Activation::quick_gelu},
    {"openai-clip-vit", Activation::quick_gelu},
    {"openai--clip-vit", Activation::quick_gelu},  // in Hugging Face's cache
    {"clip-vit-base-patch",
     Activation::quick_gelu},  // OpenAI's on Hugging Face, fetched into a folder of that name
    {"clip-vit-large-patch", Activation::quick_gelu},
    {"laion", Activation::gelu},
    {"datacomp", Activation::gelu},
    {"commonpool", Activation::gelu},
    {"s32b-b82k", Activation::gelu},
    {"s34b-b88k", Activation::gelu},
    {"s13b-b90k", Activation::gelu},
}};

/// Whole names of OpenAI's own files.
constexpr std::string_view kOpenAi[] = {"vit-b-16",       "vit-b-32",       "vit-l-14",
                                        "vit-l-14-336px", "vit-l-14@336px", "vit-l-14-336"};

std::string plain(std::string name) {
  for (char& c : name) {
    c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    if (c == '_' || c == '/') c = '-';
  }
  return name;
}

std::optional<Activation> activation_of_name(const std::string& name) {
  const std::string text = plain(name);
  for (const auto& part : kParts) {
    if (text.find(part.text) != std::string::npos) return part.activation;
  }
  if (std::find(std::begin(kOpenAi), std::end(kOpenAi), text) != std::end(kOpenAi))
    return Activation::quick_gelu;
  return std::nullopt;
}

/// The last parts of a path that may be a model's name: the file's, its folder's, Hugging Face's
/// cache entry.
std::vector<std::string> names_in(const std::filesystem::path& weights) {
  std::vector<std::string> names = {weights.stem().string()};
  const std::string folder = plain(weights.parent_path().filename().string());
  if (folder.find("clip") != std::string::npos || folder.find("vit") != std::string::npos)
    names.push_back(folder);
  for (const auto& part : weights) {
    if (part.string().starts_with("models--")) names.push_back(part.string().substr(8));
  }
  return names;
}

}  // namespace

std::vector<ClipTraits> traits_of_names(const std::string& asked,
                                        const std::filesystem::path& weights) {
  std::vector<std::string> names = names_in(weights);
  // Paths were examined above; only a published name adds information.
  std::error_code ignored;
  if (!std::filesystem::exists(asked, ignored)) names.push_back(asked);
  std::vector<ClipTraits> found;
  for (const auto& name : names) {
    const auto activation = activation_of_name(name);
    if (!activation) continue;
    ClipTraits traits;
    traits.source = str("the name ", printable(name));
    traits.image.activation = traits.text.activation = activation;
    found.push_back(std::move(traits));
  }
  return found;
}

}  // namespace pixelclip
