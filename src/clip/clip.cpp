#include "clip/clip.hpp"

#include <cmath>

#include "base/error.hpp"

namespace pixelclip {
namespace {

/// Looks up tensors by name after a prefix and checks their rank.
class Weights {
 public:
  Weights(const StateDict& weights, std::string prefix)
      : weights_(weights), prefix_(std::move(prefix)) {}

  bool has(const std::string& name) const { return weights_.count(prefix_ + name) != 0; }

  torch::IntArrayRef shape(const std::string& name, int64_t dimensions) const {
    const auto found = weights_.find(prefix_ + name);
    if (found == weights_.end()) {
      fail("these weights hold no CLIP: the tensor ", prefix_, name, " is missing");
    }
    if (found->second.dim() != dimensions || found->second.numel() == 0) {
      fail("the tensor ", prefix_, name, " should have ", dimensions, " dimensions but has shape ",
           found->second.sizes());
    }
    return found->second.sizes();
  }

  /// The number of consecutive i from 0 for which `head` + i + `tail` exists.
  int64_t count(const std::string& head, const std::string& tail) const {
    int64_t n = 0;
    while (has(str(head, n, tail))) ++n;
    return n;
  }

  /// The width inside the MLPs of a transformer; 0 where they are missing, which the load reports.
  int64_t mlp(const std::string& transformer) const {
    const std::string first = transformer + "resblocks.0.mlp.c_fc.weight";
    return has(first) ? shape(first, 2)[0] : 0;
  }

 private:
  const StateDict& weights_;
  std::string prefix_;
};

VitOptions read_vit(const Weights& weights) {
  VitOptions vit;
  const auto patch = weights.shape("visual.conv1.weight", 4);
  vit.width = patch[0];
  vit.patch = patch[3];
  vit.layers = weights.count("visual.transformer.resblocks.", ".attn.in_proj_weight");
  const int64_t positions = weights.shape("visual.positional_embedding", 2)[0];
  vit.grid = static_cast<int64_t>(std::lround(std::sqrt(positions - 1.0)));
  vit.embedding = weights.shape("visual.proj", 2)[1];
  if (vit.grid * vit.grid + 1 != positions || vit.layers == 0) {
    fail("these weights hold no vision transformer that can be used: ", positions, " positions, ",
         vit.layers, " layers, width ", vit.width,
         " (a square grid and a class token and at least one ", "layer are expected)");
  }
  vit.mlp = weights.mlp("visual.transformer.");
  return vit;
}

ConvNextOptions read_convnext(const Weights& weights) {
  ConvNextOptions convnext;
  for (size_t stage = 0; stage < 4; ++stage) {
    const std::string blocks = str("visual.trunk.stages.", stage, ".blocks.");
    convnext.depths[stage] = weights.count(blocks, ".gamma");
    convnext.widths[stage] = weights.shape(blocks + "0.gamma", 1)[0];
  }
  if (weights.has("visual.head.mlp.fc1.weight")) {
    convnext.head_hidden = weights.shape("visual.head.mlp.fc1.weight", 2)[0];
    convnext.embedding = weights.shape("visual.head.mlp.fc2.weight", 2)[0];
  } else {
    convnext.embedding = weights.shape("visual.head.proj.weight", 2)[0];
  }
  return convnext;
}

void require_attention(const DenseOptions& options, bool has_attention) {
  if (has_attention || is_default(options)) return;
  fail("the dense method ", options.method, " changes the last block of a ViT, and this ",
       "image encoder is a ConvNeXt, which has no attention: leave MODEL.DENSE (--method) at its ",
       "default, pixelclip");
}

}  // namespace

std::string ClipArchitecture::describe() const {
  std::ostringstream out;
  if (vit) {
    out << "ViT, width " << vit->width << ", " << vit->layers << " layers, patch " << vit->patch
        << ", grid " << vit->grid << "x" << vit->grid;
  } else if (convnext) {
    out << "ConvNeXt, depths";
    for (const auto depth : convnext->depths) out << ' ' << depth;
    out << ", widths";
    for (const auto width : convnext->widths) out << ' ' << width;
  }
  out << "; text width " << text.width << ", " << text.layers << " layers, context " << text.context
      << ", vocabulary " << text.vocabulary << "; embedding " << text.embedding;
  return out.str();
}

ClipArchitecture clip_architecture(const StateDict& state_dict, const std::string& prefix) {
  const Weights weights(state_dict, prefix);
  ClipArchitecture architecture;
  auto& text = architecture.text;
  int64_t image_embedding = 0;
  if (weights.has("visual.trunk.stem.0.weight")) {
    architecture.convnext = read_convnext(weights);
    text.activation = Activation::gelu;
    image_embedding = architecture.convnext->embedding;
  } else {
    architecture.vit = read_vit(weights);
    image_embedding = architecture.vit->embedding;
  }
  const auto tokens = weights.shape("token_embedding.weight", 2);
  text.vocabulary = tokens[0];
  text.width = tokens[1];
  text.heads = std::max<int64_t>(1, text.width / 64);
  text.layers = weights.count("transformer.resblocks.", ".attn.in_proj_weight");
  text.context = weights.shape("positional_embedding", 2)[0];
  text.embedding = weights.shape("text_projection", 2)[1];
  if (text.layers == 0) {
    fail("these weights hold no text tower that can be used: ", text.layers, " layers, width ",
         text.width);
  }
  text.mlp = weights.mlp("transformer.");
  if (text.embedding != image_embedding) {
    fail("the text tower's embedding has ", text.embedding, " numbers, the image encoder's ",
         image_embedding, ": these weights do not belong together");
  }
  return architecture;
}

ImageEncoder make_image_encoder(const ClipArchitecture& architecture) {
  if (architecture.vit) return std::make_shared<VisionTransformerImpl>(*architecture.vit);
  TORCH_CHECK(architecture.convnext.has_value(), "an architecture without an image encoder");
  return std::make_shared<ConvNextImpl>(*architecture.convnext);
}

std::vector<torch::Tensor> ImageEncoderImpl::dense_by(const torch::Tensor& images,
                                                      const std::vector<DenseOptions>& methods,
                                                      const torch::Tensor& /*helper*/) {
  for (const auto& options : methods) require_attention(options, false);
  return std::vector<torch::Tensor>(methods.size(), dense(images));
}

std::pair<torch::Tensor, torch::Tensor> ImageEncoderImpl::dense_and_pooled(
    const torch::Tensor& images, const DenseOptions& method, const torch::Tensor& helper) {
  return {dense_by(images, {method}, helper)[0], pooled(images)};
}

void check_dense(const ClipArchitecture& architecture, const DenseOptions& options) {
  require_attention(options, architecture.vit.has_value());
}

void keep_matrices_in_bfloat16(ImageEncoderImpl& encoder) {
  for (auto& item : encoder.named_parameters()) {
    const bool matrix = item.value().dim() > 1 && item.key().find("embedding") == std::string::npos;
    item.value().set_requires_grad(false);
    if (matrix) item.value().set_data(item.value().to(torch::kBFloat16));
  }
}

bool CLIPImpl::cuts_long_texts() const {
  return std::dynamic_pointer_cast<ConvNextImpl>(visual) != nullptr;
}

CLIPImpl::CLIPImpl(const ClipArchitecture& architecture)
    : TextEncoderImpl(architecture.text),
      visual(make_image_encoder(architecture)),
      architecture_(architecture) {
  register_module("visual", visual);
}

}  // namespace pixelclip
