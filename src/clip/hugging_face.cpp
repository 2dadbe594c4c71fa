#include "clip/hugging_face.hpp"

#include <optional>
#include <string_view>

#include "base/error.hpp"

namespace pixelclip {
namespace {

struct Rename {
  std::string_view from, to;
  bool transposed = false;
};

/// Whole names of Hugging Face's CLIPModel; linear layers there are [out, in], the projections here
/// [in, out].
constexpr Rename kNames[] = {
    {"vision_model.embeddings.class_embedding", "visual.class_embedding"},
    {"vision_model.embeddings.patch_embedding.weight", "visual.conv1.weight"},
    {"vision_model.embeddings.position_embedding.weight", "visual.positional_embedding"},
    {"visual_projection.weight", "visual.proj", true},
    {"text_model.embeddings.token_embedding.weight", "token_embedding.weight"},
    {"text_model.embeddings.position_embedding.weight", "positional_embedding"},
    {"text_projection.weight", "text_projection", true},
};

/// Prefixes of names, then of the rest of a layer's name.
constexpr Rename kNorms[] = {
    {"vision_model.pre_layrnorm.", "visual.ln_pre."},
    {"vision_model.post_layernorm.", "visual.ln_post."},
    {"text_model.final_layer_norm.", "ln_final."},
};
constexpr Rename kTowers[] = {
    {"vision_model.encoder.layers.", "visual.transformer.resblocks."},
    {"text_model.encoder.layers.", "transformer.resblocks."},
};
constexpr Rename kLayerParts[] = {
    {"layer_norm1.", "ln_1."},
    {"layer_norm2.", "ln_2."},
    {"mlp.fc1.", "mlp.c_fc."},
    {"mlp.fc2.", "mlp.c_proj."},
    {"self_attn.out_proj.", "attn.out_proj."},
};

/// The new name if `from` of one of `renames` is a prefix of `name`.
template <size_t N>
std::optional<std::string> renamed_prefix(const Rename (&renames)[N], std::string_view name,
                                          std::string_view Rename::*from = &Rename::from,
                                          std::string_view Rename::*to = &Rename::to) {
  for (const auto& rename : renames) {
    if (name.starts_with(rename.*from)) {
      return std::string(rename.*to).append(name.substr((rename.*from).size()));
    }
  }
  return std::nullopt;
}

/// Splits the name of a layer's tensor, HEAD.N.REST, where `layers` is "HEAD.".
std::pair<std::string, std::string> split_layer(const std::string& name, std::string_view layers) {
  const size_t rest = name.find('.', name.find(layers) + layers.size()) + 1;
  return {name.substr(0, rest), name.substr(rest)};
}

constexpr std::string_view kQueryPart = "self_attn.q_proj.";
constexpr std::string_view kJoined = "attn.in_proj_";

bool is_qkv(std::string_view rest) {
  for (const char* part : {"self_attn.q_proj.", "self_attn.k_proj.", "self_attn.v_proj."}) {
    if (rest.starts_with(part)) return true;
  }
  return false;
}

/// q, k and v of an attention ("….self_attn.", "weight" or "bias"), concatenated.
torch::Tensor join_qkv(const StateDict& state, const std::string& attention,
                       const std::string& kind) {
  std::vector<torch::Tensor> parts;
  for (const char* part : {"q_proj.", "k_proj.", "v_proj."}) {
    const auto found = state.find(attention + part + kind);
    if (found == state.end()) {
      fail("these Hugging Face weights are incomplete: ", attention, part, kind, " is missing");
    }
    const auto& query = state.at(attention + "q_proj." + kind);
    if (found->second.dim() == 0 || found->second.sizes() != query.sizes()) {
      fail("the tensor ", found->first, " has shape ", found->second.sizes(),
           ", which does not fit its neighbour q_proj");
    }
    parts.push_back(found->second);
  }
  return torch::cat(parts);
}

/// The tensors of one layer under Hugging Face's names; `head` ends with the layer's number.
void add_layer_tensor(StateDict& result, const std::string& head, const std::string& rest,
                      const torch::Tensor& tensor) {
  if (const auto part = renamed_prefix(kLayerParts, rest, &Rename::to, &Rename::from)) {
    result[head + *part] = tensor;
  } else if (rest.starts_with(kJoined)) {
    const auto kind = rest.substr(kJoined.size());
    const auto parts = tensor.chunk(3);
    const char* names[] = {"q_proj.", "k_proj.", "v_proj."};
    for (size_t i = 0; i < 3; ++i) result[head + "self_attn." + names[i] + kind] = parts[i];
  } else {
    result[head + rest] = tensor;
  }
}

}  // namespace

bool is_hugging_face(const StateDict& state) {
  return state.count("vision_model.embeddings.class_embedding") ||
         state.count("text_model.embeddings.token_embedding.weight");
}

StateDict from_hugging_face(const StateDict& state) {
  StateDict result;
  for (const auto& [name, tensor] : state) {
    std::string renamed = name;
    torch::Tensor value = tensor;
    for (const auto& rename : kNames) {
      if (name != rename.from) continue;
      renamed = rename.to;
      if (rename.transposed && tensor.dim() == 2) value = tensor.t();
    }
    if (const auto norm = renamed_prefix(kNorms, name)) renamed = *norm;
    if (const auto layer = renamed_prefix(kTowers, name)) {
      const auto [head, rest] = split_layer(*layer, "resblocks.");
      if (const auto part = renamed_prefix(kLayerParts, rest)) {
        renamed = head + *part;
      } else if (is_qkv(rest)) {
        const auto kind = rest.substr(kQueryPart.size());
        renamed = head + std::string(kJoined) + kind;
        if (result.count(renamed)) continue;
        value = join_qkv(state, name.substr(0, name.size() - rest.size()) + "self_attn.", kind);
      }
    }
    result[renamed] = value;
  }
  return result;
}

StateDict to_hugging_face(const StateDict& clip) {
  StateDict result;
  for (const auto& [name, tensor] : clip) {
    std::string renamed = name;
    torch::Tensor value = tensor;
    for (const auto& rename : kNames) {
      if (name != rename.to) continue;
      renamed = rename.from;
      if (rename.transposed) value = tensor.t();
    }
    if (const auto norm = renamed_prefix(kNorms, name, &Rename::to, &Rename::from)) renamed = *norm;
    if (const auto layer = renamed_prefix(kTowers, name, &Rename::to, &Rename::from)) {
      const auto [head, rest] = split_layer(*layer, "layers.");
      add_layer_tensor(result, head, rest, value);
    } else {
      result[renamed] = value;
    }
  }
  return result;
}

}  // namespace pixelclip
