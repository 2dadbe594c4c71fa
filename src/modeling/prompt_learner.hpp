#pragma once

#include <string>
#include <vector>

#include "clip/clip.hpp"

namespace pixelclip {

/// Starting values of the learnable prompts (PixelCLIP §3.2): token embeddings of ids drawn
/// uniformly from [0, vocabulary − 10) by a generator seeded with 0. Returns [K, L, text width].
torch::Tensor initial_prompt_tokens(CLIP& clip, int64_t clusters, int64_t length);
/// The ids alone [K, L], from where `generator` stands.
torch::Tensor initial_prompt_ids(CLIP& clip, int64_t clusters, int64_t length,
                                 const at::Generator& generator);

/// The sentence into which a cluster's L tokens are put.
struct PromptTemplate {
  torch::Tensor ids;    ///< [L'] int64 tokens
  torch::Tensor slots;  ///< [L] int64: where the L `{}` are
  torch::Tensor end;    ///< [1] int64: where the end token is

  PromptTemplate to(torch::Device device) const {
    return {ids.to(device), slots.to(device), end.to(device)};
  }
};

/// "A photo of a {} {} {} {} in the scene": each template's single `{}` repeated `length` times.
/// Errors: a template in which the tokeniser does not find exactly `length` slots.
std::vector<PromptTemplate> prompt_templates(const std::vector<std::string>& templates,
                                             int64_t length);

/// Cluster embeddings: prompt_tokens [K, L, text width] → [K, C], the mean over the templates, each
/// with its own layout; not normalised. Gradients reach the prompt tokens. All on one device.
torch::Tensor encode_prompts(CLIP& clip, const torch::Tensor& prompt_tokens,
                             const std::vector<PromptTemplate>& templates);

/// Class embeddings [T, N, C] of `names` under `templates`: encoded, normalised; the synonyms of a
/// name (", " between them) averaged and normalised again. No gradient. Texts are encoded in large
/// batches of similar length, cut to the longest of the batch, and what all texts of a template
/// begin with is computed once a batch; both are exact. Texts of more than 77 tokens are cut, with
/// a warning, where the CLIP's tokeniser does (open_clip's, of a ConvNeXt). Errors: else.
torch::Tensor encode_classes(CLIP& clip, const std::vector<std::string>& names,
                             const std::vector<std::string>& templates);
/// The same with a text encoder alone, which may be of float16; the result is float32.
torch::Tensor encode_classes(TextEncoderImpl& text, bool cut_long_texts,
                             const std::vector<std::string>& names,
                             const std::vector<std::string>& templates);

}  // namespace pixelclip
