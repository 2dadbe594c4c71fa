#pragma once

#include <torch/nn/module.h>
#include <torch/nn/modules/container/sequential.h>
#include <torch/nn/modules/conv.h>

namespace pixelclip {

/// Two times (3×3 convolution without bias, GroupNorm with channels/16 groups, ReLU).
class DoubleConvImpl : public torch::nn::Module {
 public:
  explicit DoubleConvImpl(int64_t channels);
  torch::Tensor forward(const torch::Tensor& x) { return double_conv->forward(x); }

 private:
  torch::nn::Sequential double_conv{nullptr};
};
TORCH_MODULE(DoubleConv);

/// PixelCLIP's decoder over single-channel cost maps: [N, 1, h, w] → [N, 1, 4h, 4w].
class ConvHeadImpl : public torch::nn::Module {
 public:
  ConvHeadImpl();
  torch::Tensor forward(const torch::Tensor& cost);

 private:
  torch::nn::Conv2d conv0{nullptr};
  torch::nn::ConvTranspose2d up1{nullptr};
  DoubleConv conv1{nullptr};
  torch::nn::ConvTranspose2d up2{nullptr};
  DoubleConv conv2{nullptr};
  torch::nn::Conv2d proj{nullptr};
};
TORCH_MODULE(ConvHead);

}  // namespace pixelclip
