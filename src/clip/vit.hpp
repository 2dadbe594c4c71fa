#pragma once

#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/normalization.h>

#include "clip/image_encoder.hpp"
#include "clip/position_embedding.hpp"
#include "nn/transformer.hpp"

namespace pixelclip {

struct VitOptions {
  int64_t width = 768;
  int64_t layers = 12;
  int64_t patch = 16;  // pixels
  int64_t grid = 14;   // patches a side of the position embedding
  int64_t embedding = 512;
  int64_t heads = 0;  // 0: width / 64
  int64_t mlp = 0;    // width inside the MLPs; 0: 4 · width
  Activation activation = Activation::quick_gelu;

  int64_t image_heads() const { return heads > 0 ? heads : width < 64 ? 1 : width / 64; }
};

/// CLIP's vision transformer in OpenAI's layout.
class VisionTransformerImpl : public ImageEncoderImpl {
 public:
  explicit VisionTransformerImpl(const VitOptions& options);

  torch::Tensor dense(const torch::Tensor& images, const at::Generator& random) override;
  std::vector<torch::Tensor> dense_by(const torch::Tensor& images,
                                      const std::vector<DenseOptions>& methods,
                                      const torch::Tensor& helper = {}) override;
  std::pair<torch::Tensor, torch::Tensor> dense_and_pooled(
      const torch::Tensor& images, const DenseOptions& method,
      const torch::Tensor& helper = {}) override;
  torch::Tensor pooled(const torch::Tensor& images) override;
  int64_t patch() const override { return options_.patch; }
  /// The pooled embedding of some patches alone, for faster training: `patches` [B, n] are their
  /// places in row-major order.
  torch::Tensor pooled_of_patches(const torch::Tensor& images, const torch::Tensor& patches);

 private:
  /// Patches, class token, positions and ln_pre: [B, 1 + h·w, W].
  torch::Tensor embed(const torch::Tensor& images, PositionRule rule = PositionRule::plain);
  torch::Tensor pool(const torch::Tensor& embedded);

  VitOptions options_;
  torch::nn::Conv2d conv1{nullptr};
  torch::Tensor class_embedding, positional_embedding, proj;
  torch::nn::LayerNorm ln_pre{nullptr};
  Transformer transformer{nullptr};
  torch::nn::LayerNorm ln_post{nullptr};
};

}  // namespace pixelclip
