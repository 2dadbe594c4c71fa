#pragma once

#include <array>

#include "clip/image_encoder.hpp"

namespace pixelclip {

struct ConvNextOptions {
  std::array<int64_t, 4> depths{3, 3, 27, 3};
  std::array<int64_t, 4> widths{128, 256, 512, 1024};
  int64_t embedding = 640;
  int64_t head_hidden = 0;      // width of the head's hidden layer (large model); 0: a linear head
  double drop_path_rate = 0.0;  // of the last block; rises linearly from 0
};

/// Depthwise 7×7 convolution, LayerNorm, two linear layers, layer scale `gamma`, and a residual
/// that training drops for whole samples with `drop_path` (stochastic depth, Huang et al. 2016).
class ConvNextBlockImpl : public torch::nn::Module {
 public:
  ConvNextBlockImpl(int64_t width, double drop_path);
  /// [B, W, h, w] channels-last → the same.
  torch::Tensor forward(const torch::Tensor& x);

 private:
  double drop_path_;
  torch::nn::Conv2d conv_dw{nullptr};
  torch::nn::LayerNorm norm{nullptr};
  torch::nn::ModuleDict mlp{nullptr};
  torch::Tensor gamma;
};
TORCH_MODULE(ConvNextBlock);

/// open_clip's ConvNeXt (Liu et al. 2022): timm's trunk with a projection head.
class ConvNextImpl : public ImageEncoderImpl {
 public:
  explicit ConvNextImpl(const ConvNextOptions& options);

  torch::Tensor dense(const torch::Tensor& images) override;
  torch::Tensor pooled(const torch::Tensor& images) override;
  int64_t patch() const override { return 32; }

 private:
  /// [B, 3, H, W] → [B, H/32, W/32, W₄], channels last.
  torch::Tensor features(const torch::Tensor& images);
  /// Norm and projection: [..., W₄] → [..., C].
  torch::Tensor project(const torch::Tensor& features);

  torch::nn::Sequential stem_{nullptr};
  std::array<torch::nn::Sequential, 4> downsample_{nullptr, nullptr, nullptr, nullptr};
  std::array<torch::nn::ModuleList, 4> blocks_{nullptr, nullptr, nullptr, nullptr};
  torch::nn::LayerNorm norm_{nullptr};
  torch::nn::Linear hidden_{nullptr}, proj_{nullptr};
};

}  // namespace pixelclip
