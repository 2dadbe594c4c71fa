#pragma once

#include <torch/nn/module.h>
#include <torch/nn/modules/container/modulelist.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/modules/normalization.h>

namespace pixelclip {

/// OpenAI's CLIP uses x·σ(1.702x); most of open_clip's models use the exact GELU.
enum class Activation { quick_gelu, gelu };

/// LayerNorm in float32; the result has the type of x (as OpenAI's CLIP in float16).
torch::Tensor normalised(torch::nn::LayerNorm& norm, const torch::Tensor& x);

/// Multi-head self-attention with PyTorch's parameter names (in_proj_weight, out_proj.weight, …).
class AttentionImpl : public torch::nn::Module {
 public:
  AttentionImpl(int64_t width, int64_t heads);

  /// x [B, N, W] → [B, N, W]. With `causal`, position i sees positions 0..i.
  torch::Tensor forward(const torch::Tensor& x, bool causal);

  /// Causal attention of sequences x [N, S, W] that continue the same `prefix` [1, P, W] →
  /// [N, S, W].
  torch::Tensor forward_after(const torch::Tensor& prefix, const torch::Tensor& x);

  /// The thirds of in_proj from `first` on (0 queries, 1 keys, 2 values), split into heads: x
  /// [B, N, W] → [3 − first, B, heads, N, W / heads].
  torch::Tensor project(const torch::Tensor& x, int64_t first);
  /// The heads side by side through out_proj: [B, heads, N, W / heads] → [B, N, W].
  torch::Tensor join(const torch::Tensor& y);

 private:
  /// As project(), but [B, N, 3 − first, heads, W / heads].
  torch::Tensor split(const torch::Tensor& x, int64_t first);

  int64_t heads_;
  torch::Tensor in_proj_weight, in_proj_bias;
  torch::nn::Linear out_proj{nullptr};
};
TORCH_MODULE(Attention);

class MlpImpl : public torch::nn::Module {
 public:
  MlpImpl(int64_t width, int64_t hidden, Activation activation);
  torch::Tensor forward(const torch::Tensor& x);

 private:
  Activation activation_;
  torch::nn::Linear c_fc{nullptr}, c_proj{nullptr};
};
TORCH_MODULE(Mlp);

/// Pre-norm block: x + attn(ln_1(x)), then + mlp(ln_2(·)).
class ResidualBlockImpl : public torch::nn::Module {
 public:
  /// `hidden` is the width inside the MLP; 0: four times the width.
  ResidualBlockImpl(int64_t width, int64_t heads, Activation activation, int64_t hidden = 0);

  torch::Tensor forward(const torch::Tensor& x, bool causal);
  torch::Tensor forward_after(const torch::Tensor& prefix, const torch::Tensor& x);

  /// The parts of forward(), for other ways through the block (clip/dense_method.hpp): in_proj of
  /// ln_1(x) as Attention::project; out_proj as Attention::join; y + mlp(ln_2(y)).
  torch::Tensor project(const torch::Tensor& x, int64_t first);
  torch::Tensor join(const torch::Tensor& y) { return attn->join(y); }
  torch::Tensor add_mlp(const torch::Tensor& y);

 private:
  torch::nn::LayerNorm ln_1{nullptr};
  Attention attn{nullptr};
  torch::nn::LayerNorm ln_2{nullptr};
  Mlp mlp{nullptr};
};
TORCH_MODULE(ResidualBlock);

class TransformerImpl : public torch::nn::Module {
 public:
  TransformerImpl(int64_t width, int64_t layers, int64_t heads, Activation activation,
                  int64_t hidden = 0);

  /// x [B, N, W] → [B, N, W].
  torch::Tensor forward(torch::Tensor x, bool causal);
  /// A causal forward of prefix and x concatenated, which computes the shared prefix once: prefix
  /// [1, P, W], x [N, S, W] → [N, S, W]. Exact.
  torch::Tensor forward_after(torch::Tensor prefix, torch::Tensor x);
  /// All blocks but the last, not causal: [B, N, W] → [B, N, W].
  torch::Tensor before_last(torch::Tensor x);
  ResidualBlockImpl& last();

 private:
  torch::nn::ModuleList resblocks{nullptr};
};
TORCH_MODULE(Transformer);

}  // namespace pixelclip
