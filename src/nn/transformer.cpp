#include "nn/transformer.hpp"

#include <torch/nn/init.h>

#include "nn/linear.hpp"

namespace pixelclip {
using torch::Tensor;

namespace {

/// x must not be shared: without gradients it is changed in place, since large tensors cost more to
/// allocate than to compute. x·σ(1.702x) is silu(1.702x) / 1.702, which keeps one tensor for the
/// backward pass instead of two.
Tensor activate(Tensor x, Activation activation) {
  constexpr double kSlope = 1.702;
  const bool in_place = !at::GradMode::is_enabled();
  if (activation == Activation::gelu) return in_place ? at::gelu_(x) : at::gelu(x);
  if (in_place) return at::silu_(x.mul_(kSlope)).mul_(1 / kSlope);
  return at::silu(x * kSlope) * (1 / kSlope);
}

}  // namespace

Tensor normalised(torch::nn::LayerNorm& norm, const Tensor& x) {
  if (x.scalar_type() != torch::kHalf) return norm(x);
  return norm(x.to(torch::kFloat)).to(torch::kHalf);
}

AttentionImpl::AttentionImpl(int64_t width, int64_t heads) : heads_(heads) {
  TORCH_CHECK(width % heads == 0, "width ", width, " is not divisible by ", heads, " heads");
  in_proj_weight = register_parameter("in_proj_weight", torch::empty({3 * width, width}));
  in_proj_bias = register_parameter("in_proj_bias", torch::zeros({3 * width}));
  out_proj = register_module("out_proj", torch::nn::Linear(width, width));
  torch::nn::init::xavier_uniform_(in_proj_weight);
  torch::nn::init::zeros_(out_proj->bias);
}

Tensor AttentionImpl::split(const Tensor& x, int64_t first) {
  const int64_t width = x.size(2);
  // A slice of everything would cost its backward pass a copy.
  const auto from_first = [&](const Tensor& all) {
    return first == 0 ? all : all.slice(0, first * width);
  };
  return linear(x, from_first(in_proj_weight), from_first(in_proj_bias))
      .view({x.size(0), x.size(1), 3 - first, heads_, width / heads_});
}

Tensor AttentionImpl::project(const Tensor& x, int64_t first) {
  return split(x, first).permute({2, 0, 3, 1, 4});
}

Tensor AttentionImpl::join(const Tensor& y) {
  return linear(out_proj, y.transpose(1, 2).reshape({y.size(0), y.size(2), -1}));
}

Tensor AttentionImpl::forward(const Tensor& x, bool causal) {
  auto qkv = split(x, 0).unbind(2);  // in this layout its backward pass is one copy
  for (auto& part : qkv) part = part.transpose(1, 2);
  return join(at::scaled_dot_product_attention(qkv[0], qkv[1], qkv[2], {}, 0.0, causal));
}

Tensor AttentionImpl::forward_after(const Tensor& prefix, const Tensor& x) {
  const int64_t before = prefix.size(1), length = x.size(1);
  const auto shared =
      project(prefix, 1).expand({-1, x.size(0), -1, -1, -1});  // [2, N, heads, P, W / heads]
  const auto qkv = project(x, 0);
  const auto seen =
      torch::ones({length, before + length}, x.options().dtype(torch::kBool)).tril(before);
  return join(at::scaled_dot_product_attention(qkv[0], torch::cat({shared[0], qkv[1]}, 2),
                                               torch::cat({shared[1], qkv[2]}, 2), seen));
}

MlpImpl::MlpImpl(int64_t width, int64_t hidden, Activation activation) : activation_(activation) {
  c_fc = register_module("c_fc", torch::nn::Linear(width, hidden));
  c_proj = register_module("c_proj", torch::nn::Linear(hidden, width));
}

Tensor MlpImpl::forward(const Tensor& x) {
  return linear(c_proj, activate(linear(c_fc, x), activation_));
}

ResidualBlockImpl::ResidualBlockImpl(int64_t width, int64_t heads, Activation activation,
                                     int64_t hidden) {
  ln_1 = register_module("ln_1", torch::nn::LayerNorm(torch::nn::LayerNormOptions({width})));
  attn = register_module("attn", Attention(width, heads));
  ln_2 = register_module("ln_2", torch::nn::LayerNorm(torch::nn::LayerNormOptions({width})));
  mlp = register_module("mlp", Mlp(width, hidden > 0 ? hidden : 4 * width, activation));
}

Tensor ResidualBlockImpl::forward(const Tensor& x, bool causal) {
  return add_mlp(x + attn(normalised(ln_1, x), causal));
}

Tensor ResidualBlockImpl::forward_after(const Tensor& prefix, const Tensor& x) {
  return add_mlp(x + attn->forward_after(normalised(ln_1, prefix), normalised(ln_1, x)));
}

Tensor ResidualBlockImpl::project(const Tensor& x, int64_t first) {
  return attn->project(normalised(ln_1, x), first);
}

Tensor ResidualBlockImpl::add_mlp(const Tensor& y) { return y + mlp(normalised(ln_2, y)); }

TransformerImpl::TransformerImpl(int64_t width, int64_t layers, int64_t heads,
                                 Activation activation, int64_t hidden) {
  TORCH_CHECK(layers > 0, "a transformer needs at least one block");
  resblocks = register_module("resblocks", torch::nn::ModuleList());
  for (int64_t i = 0; i < layers; ++i)
    resblocks->push_back(ResidualBlock(width, heads, activation, hidden));
}

Tensor TransformerImpl::forward(Tensor x, bool causal) {
  for (const auto& block : *resblocks) x = block->as<ResidualBlock>()->forward(x, causal);
  return x;
}

Tensor TransformerImpl::forward_after(Tensor prefix, Tensor x) {
  for (const auto& block : *resblocks) {
    x = block->as<ResidualBlock>()->forward_after(prefix, x);
    prefix = block->as<ResidualBlock>()->forward(prefix, /*causal=*/true);
  }
  return x;
}

Tensor TransformerImpl::before_last(Tensor x) {
  for (size_t i = 0; i + 1 < resblocks->size(); ++i)
    x = resblocks->at<ResidualBlockImpl>(i).forward(x, /*causal=*/false);
  return x;
}

ResidualBlockImpl& TransformerImpl::last() {
  return resblocks->at<ResidualBlockImpl>(resblocks->size() - 1);
}

}  // namespace pixelclip
