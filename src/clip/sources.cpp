#include "clip/sources.hpp"

#include <optional>
#include <string_view>

#include "base/error.hpp"

namespace pixelclip {
namespace {

constexpr std::string_view kStudent = "sem_seg_head.predictor.clip_model.";
constexpr const char* kPrompts = "sem_seg_head.predictor.prompt_tokens";

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

/// Beginnings of names, then of the rest of a layer's name.
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

bool is_hugging_face(const StateDict& state) {
  return state.count("vision_model.embeddings.class_embedding") ||
         state.count("text_model.embeddings.token_embedding.weight");
}

bool is_no_weight(const std::string& name) {
  for (const char* known : {"input_resolution", "context_length", "vocab_size", "attn_mask"}) {
    if (name == known) return true;
  }
  return name.ends_with(".position_ids");
}

/// The new name where one of `renames` fits the beginning of `name`.
template <size_t N>
std::optional<std::string> renamed_prefix(const Rename (&renames)[N], std::string_view name) {
  for (const auto& rename : renames) {
    if (name.starts_with(rename.from)) {
      return std::string(rename.to).append(name.substr(rename.from.size()));
    }
  }
  return std::nullopt;
}

constexpr std::string_view kQueryPart = "self_attn.q_proj.";

bool is_qkv(std::string_view rest) {
  for (const char* part : {"self_attn.q_proj.", "self_attn.k_proj.", "self_attn.v_proj."}) {
    if (rest.starts_with(part)) return true;
  }
  return false;
}

/// q, k and v of an attention ("….self_attn.", "weight" or "bias") one above the other.
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
      // visual.transformer.resblocks.N.REST
      const size_t start = layer->find('.', layer->find("resblocks.") + 10) + 1;
      const auto head = layer->substr(0, start);
      const auto rest = layer->substr(start);
      if (const auto part = renamed_prefix(kLayerParts, rest)) {
        renamed = head + *part;
      } else if (is_qkv(rest)) {
        const auto kind = rest.substr(kQueryPart.size());
        renamed = head + "attn.in_proj_" + kind;
        if (result.count(renamed)) continue;
        value = join_qkv(state, name.substr(0, name.size() - rest.size()) + "self_attn.", kind);
      }
    }
    result[renamed] = value;
  }
  return result;
}

/// Only the names that begin with `prefix`, without it.
StateDict below(const StateDict& state, std::string_view prefix) {
  StateDict result;
  for (const auto& [name, tensor] : state) {
    if (name.starts_with(prefix)) result[name.substr(prefix.size())] = tensor;
  }
  return result;
}

/// open_clip's CustomTextCLIP keeps the text tower under "text.".
StateDict with_text_on_top(const StateDict& state) {
  StateDict result;
  for (const auto& [name, tensor] : state) {
    result[name.starts_with("text.") ? name.substr(5) : name] = tensor;
  }
  return result;
}

}  // namespace

StateDict to_clip_names(StateDict state) {
  if (auto student = below(state, kStudent); !student.empty()) state = std::move(student);
  std::erase_if(state, [](const auto& entry) { return is_no_weight(entry.first); });
  if (is_hugging_face(state)) state = from_hugging_face(state);
  if (state.count("text.token_embedding.weight")) state = with_text_on_top(state);
  for (auto& [name, tensor] : state) {
    if (tensor.is_floating_point()) tensor = tensor.to(torch::kFloat);
  }
  return state;
}

bool is_pixelclip(const StateDict& weights) {
  const auto first = weights.lower_bound(std::string(kStudent));
  return weights.count(kPrompts) || (first != weights.end() && first->first.starts_with(kStudent));
}

}  // namespace pixelclip
