#include "clip/vit.hpp"

#include <cmath>

namespace pixelclip {
using torch::Tensor;

Tensor resize_positions(const Tensor& positions, int64_t height, int64_t width) {
  const auto grid = static_cast<int64_t>(std::lround(std::sqrt(positions.size(0) - 1.0)));
  if (height == grid && width == grid) return positions;
  const auto patches = positions.slice(0, 1).view({1, grid, grid, -1}).permute({0, 3, 1, 2});
  const auto resized = at::upsample_bicubic2d(patches, {height, width}, /*align_corners=*/false,
                                              c10::nullopt, c10::nullopt);
  return torch::cat({positions.slice(0, 0, 1), resized.flatten(2).squeeze(0).t()});
}

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

Tensor VisionTransformerImpl::embed(const Tensor& images) {
  const auto patches = conv1(images);  // [B, W, h, w]
  const int64_t height = patches.size(2), width = patches.size(3);
  auto x = patches.flatten(2).transpose(1, 2);  // [B, h·w, W]
  x = torch::cat({class_embedding.expand({x.size(0), 1, -1}), x}, 1);
  return ln_pre(x + resize_positions(positional_embedding, height, width));
}

Tensor VisionTransformerImpl::dense(const Tensor& images) {
  const int64_t height = images.size(2) / options_.patch, width = images.size(3) / options_.patch;
  const auto y = transformer->dense(embed(images));  // [B, h·w, W]
  return torch::matmul(ln_post(y), proj).view({images.size(0), height, width, -1});
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
