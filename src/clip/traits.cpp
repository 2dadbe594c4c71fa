#include "clip/traits.hpp"

#include <array>
#include <charconv>

#include "base/error.hpp"
#include "clip/traits_json.hpp"
#include "clip/traits_names.hpp"

namespace pixelclip {
namespace {

struct PublishedWidth {
  int64_t width, heads;
};
/// Of open_clip's model configurations and of OpenAI's and Hugging Face's models.
constexpr std::array<PublishedWidth, 9> kImageTowers{{{384, 6},
                                                      {512, 8},
                                                      {768, 12},
                                                      {896, 14},
                                                      {1024, 16},
                                                      {1280, 16},
                                                      {1408, 16},
                                                      {1664, 16},
                                                      {1792, 16}}};
constexpr std::array<PublishedWidth, 8> kTextTowers{
    {{256, 4}, {384, 6}, {512, 8}, {640, 10}, {768, 12}, {1024, 16}, {1152, 16}, {1280, 20}}};
constexpr int64_t kNarrowestPublished = 192;

template <size_t N>
int64_t heads_of_width(const std::array<PublishedWidth, N>& towers, int64_t width) {
  for (const auto& tower : towers) {
    if (tower.width == width) return tower.heads;
  }
  return width < kNarrowestPublished && width % 64 == 0 ? width / 64 : 0;
}

const char* shown(Activation activation) {
  return activation == Activation::gelu ? "GELU" : "QuickGELU";
}
const char* key_of(Activation activation) {
  return activation == Activation::gelu ? "gelu" : "quick_gelu";
}

std::optional<Activation> activation_called(std::string_view name) {
  if (name == "gelu") return Activation::gelu;
  if (name == "quick_gelu") return Activation::quick_gelu;
  return std::nullopt;
}

/// A whole number from 0 to 4096, or nothing.
std::optional<int64_t> heads_in(std::string_view text) {
  int64_t number = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (fault != std::errc() || end != text.data() + text.size() || number < 0 || number > 4096)
    return std::nullopt;
  return number;
}

constexpr const char* kHowToSet =
    "set MODEL.SEM_SEG_HEAD.CLIP_ACTIVATION (--activation) to gelu or quick_gelu";

/// The choices for one tower and their sources.
struct Settled {
  std::string source;
  bool known = true;
};

Settled settle_activation(Activation& activation, const std::vector<ClipTraits>& sources,
                          TowerTraits ClipTraits::*tower, const std::string& file) {
  for (const auto& source : sources) {
    if (const auto& told = (source.*tower).activation) {
      activation = *told;
      return {source.source};
    }
    if (!source.fault.empty()) {
      fail(file, ": ", source.source, " says ", source.fault,
           ", which is not computed here; if it is wrong, ", kHowToSet);
    }
  }
  return {"", false};
}

Settled settle_heads(int64_t& heads, int64_t width, int64_t published,
                     const std::vector<ClipTraits>& sources, TowerTraits ClipTraits::*tower,
                     const char* which, const std::string& file) {
  Settled settled;
  heads = 0;
  for (const auto& source : sources) {
    if ((source.*tower).heads > 0) {
      heads = (source.*tower).heads;
      settled.source = source.source;
      break;
    }
  }
  if (heads == 0) {
    heads = published;
    settled.source =
        width < kNarrowestPublished ? "64 numbers a head" : "published models of this width";
  }
  if (heads == 0) {
    fail(file, ": nothing tells how many heads the ", which, " of width ", width,
         " has, and no published model has this width: ",
         "set MODEL.SEM_SEG_HEAD.CLIP_HEADS (--heads), the image encoder's and the text tower's, "
         "or put the model's "
         "config.json or open_clip_config.json beside the file");
  }
  if (heads < 0 || width % heads != 0) {
    fail(file, ": ", heads, " heads of the ", which, " (", settled.source,
         ") do not divide its width ", width);
  }
  return settled;
}

}  // namespace

int64_t published_image_heads(int64_t width) { return heads_of_width(kImageTowers, width); }

int64_t published_text_heads(int64_t width) {
  return width < 64 ? 1 : heads_of_width(kTextTowers, width);
}

ClipTraits chosen_traits(const std::string& activation, const std::vector<int64_t>& heads,
                         const std::string& key) {
  ClipTraits traits;
  traits.source = key;
  if (!activation.empty() && activation != "auto") {
    traits.image.activation = traits.text.activation = activation_called(activation);
    if (!traits.image.activation) {
      fail("unknown activation \"", printable(activation), "\": expected auto, gelu or quick_gelu");
    }
  }
  if (heads.empty()) return traits;
  if (heads.size() != 2 || heads[0] < 0 || heads[1] < 0) {
    fail(
        "the heads of a CLIP are two numbers, the image encoder's and the text tower's (0: find "
        "out)");
  }
  traits.image.heads = heads[0];
  traits.text.heads = heads[1];
  return traits;
}

ClipTraits recorded_traits(const Dict& entries, const std::string& file) {
  ClipTraits traits;
  traits.source = "the file's own record";
  const auto text_of = [&](const char* key) -> std::string {
    const Value* value = entries.find(key);
    return value ? value->as_string(str(file, ": ", key)) : "";
  };
  if (const auto text = text_of("clip_activation"); !text.empty()) {
    const size_t comma = text.find(',');
    traits.image.activation = activation_called(text.substr(0, comma));
    traits.text.activation = comma == std::string::npos ? traits.image.activation
                                                        : activation_called(text.substr(comma + 1));
    if (!traits.image.activation || !traits.text.activation) {
      fail(file, ": its entry clip_activation is '", printable(text),
           "', expected gelu or quick_gelu");
    }
  }
  if (const auto text = text_of("clip_heads"); !text.empty()) {
    const size_t comma = text.find(',');
    const auto image = heads_in(std::string_view(text).substr(0, comma));
    const auto words = comma == std::string::npos
                           ? std::nullopt
                           : heads_in(std::string_view(text).substr(comma + 1));
    if (!image || !words)
      fail(file, ": its entry clip_heads is '", printable(text),
           "', expected two numbers such as 12,8");
    traits.image.heads = *image;
    traits.text.heads = *words;
  }
  return traits;
}

std::map<std::string, std::string> record_of(const ClipArchitecture& architecture) {
  const auto& text = architecture.text;
  const Activation image = architecture.vit ? architecture.vit->activation : Activation::gelu;
  const int64_t heads = architecture.vit ? architecture.vit->image_heads() : 0;
  return {
      {"clip_activation",
       image == text.activation ? key_of(image) : str(key_of(image), ",", key_of(text.activation))},
      {"clip_heads", str(heads, ",", text.heads)}};
}

SettledTraits settle_traits(ClipArchitecture& architecture, const std::vector<ClipTraits>& sources,
                            const std::string& file) {
  auto& text = architecture.text;
  auto& vit = architecture.vit;
  const Activation usual = vit ? Activation::quick_gelu : Activation::gelu;
  if (vit) vit->activation = usual;
  text.activation = usual;
  Settled image_activation = {"", false}, image_heads;
  if (vit) {
    image_activation = settle_activation(vit->activation, sources, &ClipTraits::image, file);
    image_heads = settle_heads(vit->heads, vit->width, published_image_heads(vit->width), sources,
                               &ClipTraits::image, "image encoder", file);
  }
  const auto text_activation = settle_activation(text.activation, sources, &ClipTraits::text, file);
  const auto text_heads = settle_heads(text.heads, text.width, published_text_heads(text.width),
                                       sources, &ClipTraits::text, "text tower", file);
  SettledTraits settled;
  if (vit && !image_activation.known) {
    settled.warning =
        str("nothing tells whether this CLIP computes with GELU or QuickGELU (no config.json or "
            "open_clip_config.json "
            "beside it, no published name); OpenAI's QuickGELU is taken; ",
            kHowToSet);
  }
  std::ostringstream line;
  line << shown(vit ? vit->activation : text.activation);
  if (vit && vit->activation != text.activation)
    line << " in the image encoder, " << shown(text.activation) << " in the text tower";
  const auto& why = vit ? image_activation : text_activation;
  line << (why.known ? " (" + why.source + ")" : vit ? "" : " (as all published ConvNeXt models)");
  if (vit) line << ", " << vit->heads << " heads (" << image_heads.source << ")";
  line << ", text tower with " << text.heads << " heads (" << text_heads.source << ")";
  settled.choice = line.str();
  return settled;
}

std::vector<ClipTraits> sources_of_traits(const ClipTraits& by_hand, const std::string& asked,
                                          const std::filesystem::path& weights,
                                          const std::string& form, const Dict& entries,
                                          const ClipArchitecture& architecture) {
  std::vector<ClipTraits> sources = {by_hand, recorded_traits(entries, weights.string())};
  for (auto& found : traits_beside(weights, architecture)) sources.push_back(std::move(found));
  for (auto& found : traits_of_names(asked, weights)) sources.push_back(std::move(found));
  if (form == "TorchScript archive") {
    ClipTraits openai;
    openai.source = "a TorchScript archive, as OpenAI publishes CLIP";
    openai.image.activation = openai.text.activation = Activation::quick_gelu;
    sources.push_back(std::move(openai));
  }
  return sources;
}

}  // namespace pixelclip
