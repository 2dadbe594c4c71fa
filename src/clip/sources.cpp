#include "clip/sources.hpp"

#include <string_view>

#include "clip/hugging_face.hpp"

namespace pixelclip {
namespace {

constexpr std::string_view kStudent = "sem_seg_head.predictor.clip_model.";
constexpr const char* kPrompts = "sem_seg_head.predictor.prompt_tokens";

bool is_no_weight(const std::string& name) {
  for (const char* known : {"input_resolution", "context_length", "vocab_size", "attn_mask"}) {
    if (name == known) return true;
  }
  return name.ends_with(".position_ids");
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
