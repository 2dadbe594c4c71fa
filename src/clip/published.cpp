#include "clip/published.hpp"

#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "clip/hugging_face.hpp"

namespace pixelclip {
namespace {

using nlohmann::ordered_json;

constexpr int64_t kConvNextSide = 320;  // of the published 320 pixels; any multiple of 32 works
constexpr double kLogitScale = 2.6592;  // ln(1 / 0.07), where training of a CLIP starts

/// ConvNeXts that timm has a name for; open_clip uses them as trunks.
struct TimmName {
  std::array<int64_t, 4> depths, widths;
  const char* name;
};
constexpr TimmName kTimmNames[] = {
    {{3, 3, 9, 3}, {96, 192, 384, 768}, "convnext_tiny"},
    {{3, 3, 27, 3}, {96, 192, 384, 768}, "convnext_small"},
    {{3, 3, 27, 3}, {128, 256, 512, 1024}, "convnext_base"},
    {{3, 3, 27, 3}, {192, 384, 768, 1536}, "convnext_large"},
    {{3, 3, 27, 3}, {256, 512, 1024, 2048}, "convnext_xlarge"},
    {{3, 4, 30, 3}, {384, 768, 1536, 3072}, "convnext_xxlarge"},
};

const char* timm_name(const ConvNextOptions& convnext) {
  for (const auto& known : kTimmNames) {
    if (known.depths == convnext.depths && known.widths == convnext.widths) return known.name;
  }
  fail("timm, which open_clip uses, has no ConvNeXt of these depths and widths");
}

int64_t mlp_width(int64_t mlp, int64_t width) { return mlp > 0 ? mlp : 4 * width; }

double mlp_ratio(int64_t mlp, int64_t width) {
  return static_cast<double>(mlp_width(mlp, width)) / static_cast<double>(width);
}

const VitOptions& vit_of(const ClipArchitecture& architecture, const char* program) {
  if (!architecture.vit) fail(program, " has no CLIP with a ConvNeXt: use --to open_clip");
  return *architecture.vit;
}

const char* hidden_act(Activation activation) {
  return activation == Activation::gelu ? "gelu" : "quick_gelu";
}

ordered_json hugging_face_config(const ClipArchitecture& architecture) {
  const auto& vit = vit_of(architecture, "Hugging Face's CLIPModel");
  const auto& text = architecture.text;
  return {{"architectures", {"CLIPModel"}},
          {"model_type", "clip"},
          {"projection_dim", architecture.embedding()},
          {"logit_scale_init_value", kLogitScale},
          {"text_config",
           {{"model_type", "clip_text_model"},
            {"hidden_size", text.width},
            {"intermediate_size", mlp_width(text.mlp, text.width)},
            {"num_hidden_layers", text.layers},
            {"num_attention_heads", text.heads},
            {"max_position_embeddings", text.context},
            {"vocab_size", text.vocabulary},
            {"hidden_act", hidden_act(text.activation)},
            {"projection_dim", text.embedding}}},
          {"vision_config",
           {{"model_type", "clip_vision_model"},
            {"hidden_size", vit.width},
            {"intermediate_size", mlp_width(vit.mlp, vit.width)},
            {"num_hidden_layers", vit.layers},
            {"num_attention_heads", vit.image_heads()},
            {"image_size", vit.grid * vit.patch},
            {"patch_size", vit.patch},
            {"hidden_act", hidden_act(vit.activation)},
            {"projection_dim", vit.embedding}}}};
}

ordered_json open_clip_vision(const ClipArchitecture& architecture) {
  if (const auto& convnext = architecture.convnext) {
    return {{"timm_model_name", timm_name(*convnext)},
            {"timm_model_pretrained", false},
            {"timm_pool", ""},
            {"timm_proj", convnext->head_hidden > 0 ? "mlp" : "linear"},
            {"timm_drop", 0.0},
            {"timm_drop_path", 0.1},
            {"image_size", kConvNextSide}};
  }
  const auto& vit = *architecture.vit;
  return {{"image_size", vit.grid * vit.patch},
          {"layers", vit.layers},
          {"width", vit.width},
          {"head_width", vit.width / vit.image_heads()},
          {"mlp_ratio", mlp_ratio(vit.mlp, vit.width)},
          {"patch_size", vit.patch}};
}

ordered_json open_clip_config(const ClipArchitecture& architecture) {
  const auto& text = architecture.text;
  const bool quick = text.activation == Activation::quick_gelu;
  if (architecture.vit && architecture.vit->activation != text.activation) {
    fail("open_clip has one activation for both towers, but this CLIP computes with ",
         hidden_act(architecture.vit->activation), " in the image encoder and ",
         hidden_act(text.activation), " in the text tower");
  }
  return {{"model_cfg",
           {{"embed_dim", architecture.embedding()},
            {"quick_gelu", quick},
            {"vision_cfg", open_clip_vision(architecture)},
            {"text_cfg",
             {{"context_length", text.context},
              {"vocab_size", text.vocabulary},
              {"width", text.width},
              {"heads", text.heads},
              {"layers", text.layers},
              {"mlp_ratio", mlp_ratio(text.mlp, text.width)}}}}},
          {"preprocess_cfg",
           {{"mean", {0.48145466, 0.4578275, 0.40821073}},
            {"std", {0.26862954, 0.26130258, 0.27577711}}}}};
}

/// OpenAI's program reads sizes from the weights and has fixed rules for the rest.
void check_openai(const ClipArchitecture& architecture) {
  const auto& vit = vit_of(architecture, "OpenAI's program");
  const auto& text = architecture.text;
  const auto check = [](const char* tower, int64_t width, int64_t heads, int64_t mlp,
                        Activation activation) {
    if (activation == Activation::quick_gelu && heads * 64 == width &&
        mlp_width(mlp, width) == 4 * width)
      return;
    fail(
        "OpenAI's program computes with QuickGELU, 64 numbers a head and four times the width in "
        "the MLPs, but the ",
        tower, " of this CLIP with ", hidden_act(activation), ", ", heads, " heads of width ",
        width / heads, " and ", mlp_width(mlp, width),
        " in the MLPs: use --to hf or --to open_clip");
  };
  check("image encoder", vit.width, vit.image_heads(), vit.mlp, vit.activation);
  check("text tower", text.width, text.heads, text.mlp, text.activation);
}

}  // namespace

PublishedClip publish(const ClipFile& clip, Publisher publisher) {
  constexpr int kIndent = 2;
  switch (publisher) {
    case Publisher::openai:
      check_openai(clip.architecture);
      return {clip.weights, "clip.pt", "", ""};
    case Publisher::open_clip:
      return {clip.weights, "open_clip_model.safetensors", "open_clip_config.json",
              open_clip_config(clip.architecture).dump(kIndent) + "\n"};
    case Publisher::hugging_face:
      return {to_hugging_face(clip.weights), "model.safetensors", "config.json",
              hugging_face_config(clip.architecture).dump(kIndent) + "\n"};
  }
  TORCH_CHECK(false, "an unknown publisher");
}

}  // namespace pixelclip
