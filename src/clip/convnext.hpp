#pragma once

#include <torch/nn/modules/container/moduledict.h>
#include <torch/nn/modules/container/modulelist.h>
#include <torch/nn/modules/container/sequential.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/modules/normalization.h>

#include <array>

#include "clip/image_encoder.hpp"

namespace pixelclip {

struct ConvNextOptions {
  std::array<int64_t, 4> depths{3, 3, 27, 3};
  std::array<int64_t, 4> widths{128, 256, 512, 1024};
  int64_t embedding = 640;
  int64_t head_hidden = 0;  // width of the head's hidden layer (large model); 0: a linear head
  bool depthwise_channels_last = true;
  double drop_path_rate = 0.0;  // of the last block; rises linearly from 0
};

/// Stochastic depth (Huang et al. 2016): the factor of each sample's residual, [B] float on the
/// CPU: 0 with probability `drop`, else 1 / (1 − drop).
torch::Tensor residual_factors(int64_t batch, double drop, const at::Generator& random);

/// Depthwise 7×7 convolution, LayerNorm, two linear layers, layer scale `gamma`, and a residual.
class ConvNextBlockImpl : public torch::nn::Module {
 public:
  /// The layout is that of the depthwise convolution's input; the block's stays channels last.
  explicit ConvNextBlockImpl(int64_t width, bool depthwise_channels_last = true);
  /// [B, W, h, w] channels-last → the same. `factors` [B] multiply the samples' residuals;
  /// undefined: 1.
  torch::Tensor forward(const torch::Tensor& x, const torch::Tensor& factors = {});

 private:
  bool depthwise_channels_last_;
  torch::nn::Conv2d conv_dw{nullptr};
  torch::nn::LayerNorm norm{nullptr};
  torch::nn::Linear fc1_{nullptr}, fc2_{nullptr};
  torch::Tensor gamma;
};
TORCH_MODULE(ConvNextBlock);

/// open_clip's ConvNeXt (Liu et al. 2022): timm's trunk with a projection head.
class ConvNextImpl : public ImageEncoderImpl {
 public:
  explicit ConvNextImpl(const ConvNextOptions& options);

  torch::Tensor dense(const torch::Tensor& images, const at::Generator& random) override;
  std::pair<torch::Tensor, torch::Tensor> dense_and_pooled(
      const torch::Tensor& images, const DenseOptions& method,
      const torch::Tensor& helper = {}) override;
  torch::Tensor pooled(const torch::Tensor& images) override;
  int64_t patch() const override { return 32; }

 private:
  /// [B, 3, H, W] → [B, H/32, W/32, W₄], channels last.
  torch::Tensor features(const torch::Tensor& images, const at::Generator& random);
  /// The residuals' factors of each block [blocks, B]; undefined when no block drops any.
  torch::Tensor draw_factors(const torch::Tensor& images, const at::Generator& random) const;
  /// Norm and projection: [..., W₄] → [..., C].
  torch::Tensor project(const torch::Tensor& features);

  std::vector<double> drop_path_;  // of each block
  torch::nn::Sequential stem_{nullptr};
  std::array<torch::nn::Sequential, 4> downsample_{nullptr, nullptr, nullptr, nullptr};
  std::array<torch::nn::ModuleList, 4> blocks_{nullptr, nullptr, nullptr, nullptr};
  torch::nn::LayerNorm norm_{nullptr};
  torch::nn::Linear hidden_{nullptr}, proj_{nullptr};
};

}  // namespace pixelclip
