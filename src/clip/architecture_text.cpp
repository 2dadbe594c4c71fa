#include "clip/architecture_text.hpp"

#include <nlohmann/json.hpp>

#include "base/error.hpp"

namespace pixelclip {
namespace {

using nlohmann::json;

const char* name_of(Activation activation) {
  return activation == Activation::gelu ? "gelu" : "quick_gelu";
}

Activation activation_in(const json& object) {
  return object.at("activation").get<std::string>() == "gelu" ? Activation::gelu
                                                              : Activation::quick_gelu;
}

json written(const TextOptions& text) {
  return {{"width", text.width},
          {"layers", text.layers},
          {"heads", text.heads},
          {"context", text.context},
          {"vocabulary", text.vocabulary},
          {"embedding", text.embedding},
          {"mlp", text.mlp},
          {"activation", name_of(text.activation)}};
}

json written(const VitOptions& vit) {
  return {{"width", vit.width},
          {"layers", vit.layers},
          {"patch", vit.patch},
          {"grid", vit.grid},
          {"embedding", vit.embedding},
          {"heads", vit.heads},
          {"mlp", vit.mlp},
          {"activation", name_of(vit.activation)}};
}

json written(const ConvNextOptions& convnext) {
  return {{"depths", convnext.depths},
          {"widths", convnext.widths},
          {"embedding", convnext.embedding},
          {"head_hidden", convnext.head_hidden}};
}

VitOptions read_vit_options(const json& object) {
  VitOptions vit;
  vit.width = object.at("width"), vit.layers = object.at("layers"), vit.patch = object.at("patch");
  vit.grid = object.at("grid"), vit.embedding = object.at("embedding");
  vit.heads = object.at("heads"), vit.mlp = object.at("mlp");
  vit.activation = activation_in(object);
  return vit;
}

ConvNextOptions read_convnext_options(const json& object) {
  ConvNextOptions convnext;
  convnext.depths = object.at("depths"), convnext.widths = object.at("widths");
  convnext.embedding = object.at("embedding"), convnext.head_hidden = object.at("head_hidden");
  return convnext;
}

TextOptions read_text_options(const json& object) {
  TextOptions text;
  text.width = object.at("width"), text.layers = object.at("layers"),
  text.heads = object.at("heads");
  text.context = object.at("context"), text.vocabulary = object.at("vocabulary");
  text.embedding = object.at("embedding"), text.mlp = object.at("mlp");
  text.activation = activation_in(object);
  return text;
}

}  // namespace

std::string to_text(const ClipArchitecture& architecture) {
  json object = {{"text", written(architecture.text)}};
  if (architecture.vit) object["vit"] = written(*architecture.vit);
  if (architecture.convnext) object["convnext"] = written(*architecture.convnext);
  return object.dump();
}

ClipArchitecture architecture_from_text(const std::string& text) {
  try {
    const json object = json::parse(text);
    ClipArchitecture architecture;
    architecture.text = read_text_options(object.at("text"));
    if (object.contains("vit")) architecture.vit = read_vit_options(object["vit"]);
    if (object.contains("convnext"))
      architecture.convnext = read_convnext_options(object["convnext"]);
    if (architecture.vit.has_value() != architecture.convnext.has_value()) return architecture;
  } catch (const json::exception&) {
  }
  fail("\"", printable(text), "\" is no description of a CLIP's architecture");
}

}  // namespace pixelclip
