#include "clip/vit.hpp"

#include <cmath>
#include <map>

#include "nn/functional.hpp"

namespace pixelclip {
using torch::Tensor;

VisionTransformerImpl::VisionTransformerImpl(const VitOptions& options) : options_(options) {
  const int64_t width = options.width;
  const double scale = std::pow(width, -0.5);
  const auto norm = [&] { return torch::nn::LayerNorm(torch::nn::LayerNormOptions({width})); };
  conv1 = register_module(
      "conv1",
      torch::nn::Conv2d(
          torch::nn::Conv2dOptions(3, width, options.patch).stride(options.patch).bias(false)));
  class_embedding = register_parameter("class_embedding", scale * torch::randn({width}));
  positional_embedding = register_parameter(
      "positional_embedding", scale * torch::randn({options.grid * options.grid + 1, width}));
  ln_pre = register_module("ln_pre", norm());
  transformer = register_module(
      "transformer",
      Transformer(width, options.layers, options.image_heads(), options.activation, options.mlp));
  ln_post = register_module("ln_post", norm());
  proj = register_parameter("proj", scale * torch::randn({width, options.embedding}));
}

Tensor VisionTransformerImpl::embed(const Tensor& images, PositionRule rule) {
  const auto patches = conv1(images);  // [B, W, h, w]
  const int64_t height = patches.size(2), width = patches.size(3);
  auto x = patches.flatten(2).transpose(1, 2);  // [B, h·w, W]
  x = torch::cat({class_embedding.expand({x.size(0), 1, -1}), x}, 1);
  return ln_pre(x + resize_positions(positional_embedding, height, width, rule));
}

Tensor VisionTransformerImpl::dense(const Tensor& images, const at::Generator&) {
  return dense_by(images, {{}})[0];
}

std::vector<Tensor> VisionTransformerImpl::dense_by(const Tensor& images,
                                                    const std::vector<DenseOptions>& methods,
                                                    const Tensor& helper) {
  const int64_t height = images.size(2) / options_.patch, width = images.size(3) / options_.patch;
  std::map<PositionRule, Tensor> before_last;  // shared by the methods of one rule
  std::vector<Tensor> features;
  for (const auto& method : methods) {
    const auto rule = position_rule(method);
    auto& x = before_last[rule];
    if (!x.defined()) x = transformer->before_last(embed(images, rule));
    const auto last = apply_last_block(transformer->last(), {x, height, width}, method, helper);
    features.push_back(
        torch::matmul(ln_post(last.x), proj).view({images.size(0), last.height, last.width, -1}));
  }
  return features;
}

std::pair<Tensor, Tensor> VisionTransformerImpl::dense_and_pooled(const Tensor& images,
                                                                  const DenseOptions& method,
                                                                  const Tensor& helper) {
  const int64_t height = images.size(2) / options_.patch, width = images.size(3) / options_.patch;
  const bool resized = height != options_.grid || width != options_.grid;
  if (resized && position_rule(method) != PositionRule::plain)  // the blocks see other positions
    return ImageEncoderImpl::dense_and_pooled(images, method, helper);
  const auto x = transformer->before_last(embed(images, PositionRule::plain));
  const auto last = apply_last_block(transformer->last(), {x, height, width}, method, helper);
  const auto y = transformer->last().forward(x, /*causal=*/false);
  return {torch::matmul(ln_post(last.x), proj).view({images.size(0), last.height, last.width, -1}),
          torch::matmul(ln_post(y.select(1, 0)), proj)};
}

Tensor VisionTransformerImpl::pool(const Tensor& embedded) {
  const auto y = transformer(embedded, /*causal=*/false);
  return torch::matmul(ln_post(y.select(1, 0)), proj);
}

Tensor VisionTransformerImpl::pooled(const Tensor& images) { return pool(embed(images)); }

Tensor VisionTransformerImpl::pooled_of_patches(const Tensor& images, const Tensor& patches) {
  const auto x = embed(images);
  const auto kept = x.slice(1, 1).gather(1, patches.unsqueeze(-1).expand({-1, -1, x.size(2)}));
  return pool(torch::cat({x.slice(1, 0, 1), kept}, 1));
}

}  // namespace pixelclip
