#include "clip/traits_json.hpp"

#include <array>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/log.hpp"
#include "io/small_json.hpp"

namespace pixelclip {
namespace {
namespace fs = std::filesystem;
using nlohmann::json;

/// The whole number under `key`, or `otherwise`.
int64_t number(const json& section, const char* key, int64_t otherwise) {
  const auto found = section.find(key);
  return found != section.end() && found->is_number_integer() ? found->get<int64_t>() : otherwise;
}

/// The object under any of `keys`; later keys are newer spellings and have precedence.
json section_of(const json& root, std::initializer_list<const char*> keys) {
  json section = json::object();
  for (const char* key : keys) {
    const auto found = root.find(key);
    if (found != root.end() && found->is_object()) section.update(*found);
  }
  return section;
}

bool is_on(const json& section, const char* key) {
  const auto found = section.find(key);
  return found != section.end() && !found->is_null() && *found != json(false);
}

/// An option of open_clip's towers that makes them compute differently from OpenAI's layout.
std::string other_parts(const json& vision, const json& text) {
  for (const char* key : {"no_ln_pre", "attentional_pool", "ls_init_value", "final_ln_after_pool",
                          "act_kwargs", "norm_kwargs"}) {
    if (is_on(vision, key)) return str("vision_cfg.", key);
  }
  for (const char* key : {"hf_model_name", "no_causal_mask", "embed_cls", "ls_init_value",
                          "act_kwargs", "norm_kwargs"}) {
    if (is_on(text, key)) return str("text_cfg.", key);
  }
  const auto pooled = [](const json& section, const char* usual) {
    const auto found = section.find("pool_type");
    return found == section.end() || *found == json(usual);
  };
  if (!pooled(vision, "tok")) return "vision_cfg.pool_type";
  if (!pooled(text, "argmax")) return "text_cfg.pool_type";
  return "";
}

/// Sizes that a configuration states; 0 where it says nothing.
struct Stated {
  int64_t image_width = 0, image_layers = 0, text_width = 0, text_layers = 0;
};

bool fits(const Stated& stated, const ClipArchitecture& architecture) {
  const auto equal = [](int64_t said, int64_t is) { return said == 0 || said == is; };
  const auto& vit = architecture.vit;
  return equal(stated.text_width, architecture.text.width) &&
         equal(stated.text_layers, architecture.text.layers) &&
         (!vit ||
          (equal(stated.image_width, vit->width) && equal(stated.image_layers, vit->layers)));
}

/// open_clip's: model_cfg with embed_dim, vision_cfg, text_cfg, quick_gelu (false unless it is
/// there).
ClipTraits from_open_clip(const json& root, Stated& stated) {
  const json model =
      section_of(root, {"model_cfg"}).empty() ? root : section_of(root, {"model_cfg"});
  const json vision = section_of(model, {"vision_cfg"}), text = section_of(model, {"text_cfg"});
  const auto quick = model.find("quick_gelu");
  ClipTraits traits;
  traits.image.activation = traits.text.activation =
      quick != model.end() && *quick == json(true) ? Activation::quick_gelu : Activation::gelu;
  if (!vision.contains("timm_model_name")) {
    stated.image_width = number(vision, "width", 768);
    stated.image_layers = number(vision, "layers", 12);
    const int64_t head_width = number(vision, "head_width", 64);
    if (head_width > 0) traits.image.heads = stated.image_width / head_width;
  }
  stated.text_width = number(text, "width", 512);
  stated.text_layers = number(text, "layers", 12);
  traits.text.heads = number(text, "heads", 8);
  traits.fault = other_parts(vision, text);
  if (!traits.fault.empty()) traits.image.activation = traits.text.activation = std::nullopt;
  return traits;
}

/// A tower of Hugging Face's CLIPConfig, whose defaults are OpenAI's.
void read_hugging_face_tower(const json& section, const char* name, int64_t heads,
                             TowerTraits& tower, std::string& fault) {
  const auto found = section.find("hidden_act");
  const std::string act =
      found != section.end() && found->is_string() ? found->get<std::string>() : "quick_gelu";
  if (act == "gelu") {
    tower.activation = Activation::gelu;
  } else if (act == "quick_gelu") {
    tower.activation = Activation::quick_gelu;
  } else {
    fault = str(name, ".hidden_act ", printable(act));
  }
  tower.heads = number(section, "num_attention_heads", heads);
  const auto eps = section.find("layer_norm_eps");
  if (eps != section.end() && eps->is_number() && std::abs(eps->get<double>() - 1e-5) > 1e-9)
    fault = str(name, ".layer_norm_eps");
}

ClipTraits from_hugging_face(const json& root, Stated& stated) {
  const json vision = section_of(root, {"vision_config", "vision_config_dict"});
  const json text = section_of(root, {"text_config", "text_config_dict"});
  ClipTraits traits;
  read_hugging_face_tower(vision, "vision_config", 12, traits.image, traits.fault);
  read_hugging_face_tower(text, "text_config", 8, traits.text, traits.fault);
  stated = {number(vision, "hidden_size", 768), number(vision, "num_hidden_layers", 12),
            number(text, "hidden_size", 512), number(text, "num_hidden_layers", 12)};
  if (!traits.fault.empty()) traits.image.activation = traits.text.activation = std::nullopt;
  return traits;
}

/// The traits in `root`, or nothing if it is not the configuration of a CLIP.
std::optional<ClipTraits> from_json(const json& root, Stated& stated) {
  const json& model = root.contains("model_cfg") ? root.at("model_cfg") : root;
  if (model.is_object() && (model.contains("vision_cfg") || model.contains("text_cfg")))
    return from_open_clip(root, stated);
  const bool towers = root.contains("vision_config") || root.contains("vision_config_dict");
  const bool words = root.contains("text_config") || root.contains("text_config_dict");
  if (towers && words) return from_hugging_face(root, stated);
  return std::nullopt;
}

}  // namespace

std::vector<ClipTraits> traits_beside(const fs::path& weights,
                                      const ClipArchitecture& architecture) {
  std::vector<ClipTraits> found;
  fs::path own = weights;
  own.replace_extension(".json");
  for (const fs::path& file : {own, weights.parent_path() / "open_clip_config.json",
                               weights.parent_path() / "config.json"}) {
    std::error_code ignored;
    if (!fs::is_regular_file(file, ignored) || file == weights) continue;
    try {
      Stated stated;
      auto traits = from_json(read_small_json(file), stated);
      if (!traits) continue;
      if (!fits(stated, architecture)) {
        log::warn(file.string(), ": it describes another model than ", weights.filename().string(),
                  " beside it and is passed over");
        continue;
      }
      traits->source = str(file.filename().string(), " beside it");
      found.push_back(std::move(*traits));
    } catch (const Error& e) {
      log::warn(e.what(), "; it is passed over");
    }
  }
  return found;
}

}  // namespace pixelclip
