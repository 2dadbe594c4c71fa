#pragma once

#include <torch/nn/module.h>
#include <torch/nn/modules/embedding.h>
#include <torch/nn/modules/normalization.h>

#include "nn/transformer.hpp"

namespace pixelclip {

struct TextOptions {
  int64_t width = 512;
  int64_t layers = 12;
  int64_t heads = 8;
  int64_t context = 77;  // positions
  int64_t vocabulary = 49408;
  int64_t embedding = 512;
  int64_t mlp = 0;  // width inside the MLPs; 0: 4 · width
  Activation activation = Activation::quick_gelu;
};

/// CLIP's text tower. Attention is causal, so positions after the end token have no effect: callers
/// pass only the first `length` positions of a batch, which is exact.
class TextEncoderImpl : public torch::nn::Module {
 public:
  explicit TextEncoderImpl(const TextOptions& options);

  /// tokens [N, L] int64, zero-padded, L ≤ context → [N, C]: the row of the end token (the largest
  /// id), projected, not normalised.
  torch::Tensor encode_text(const torch::Tensor& tokens);

  /// As encode_text of texts that all begin with the tokens `prefix` [P], of which `tokens` [N, S]
  /// holds the rest: what they share is computed once.
  torch::Tensor encode_text_after(const torch::Tensor& prefix, const torch::Tensor& tokens);

  /// As encode_text from token embeddings [N, L, W] whose end tokens are at `ends` [N].
  torch::Tensor encode_embedded(const torch::Tensor& embedded, const torch::Tensor& ends);

  /// tokens [N, L] → [N, L, W].
  torch::Tensor embed_tokens(const torch::Tensor& tokens) { return token_embedding(tokens); }

  const TextOptions& text_options() const { return options_; }

 protected:
  /// Adds the positions from `first` on to token embeddings [N, L, W].
  torch::Tensor with_positions(const torch::Tensor& embedded, int64_t first);
  /// The rows at `ends`, projected: [N, L, W] → [N, C].
  torch::Tensor project(const torch::Tensor& x, const torch::Tensor& ends);

  TextOptions options_;
  torch::nn::Embedding token_embedding{nullptr};
  torch::Tensor positional_embedding, text_projection, logit_scale;
  Transformer transformer{nullptr};
  torch::nn::LayerNorm ln_final{nullptr};
};

/// A copy of `encoder` that computes in float16 as OpenAI's code does on a GPU: matrices and
/// activations are float16, normalisation is float32. For inference.
std::shared_ptr<TextEncoderImpl> float16_text_encoder(const TextEncoderImpl& encoder);

/// Ids of several texts as one zero-padded tensor [N, longest] int64.
torch::Tensor pad_tokens(const std::vector<std::vector<int64_t>>& ids);

}  // namespace pixelclip
