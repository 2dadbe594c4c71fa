#include "nn/conv_head.hpp"

#include <torch/nn/modules/activation.h>

namespace pixelclip {
namespace nn = torch::nn;

DoubleConvImpl::DoubleConvImpl(int64_t channels) {
  const auto conv = [&] {
    return nn::Conv2d(nn::Conv2dOptions(channels, channels, 3).padding(1).bias(false));
  };
  const auto norm = [&] { return nn::GroupNorm(nn::GroupNormOptions(channels / 16, channels)); };
  // In place: GroupNorm's backward pass needs its input, not its output.
  const auto relu = [] { return nn::ReLU(nn::ReLUOptions(true)); };
  nn::Sequential layers;  // in this order: each draws its parameters from the generator
  for (int i = 0; i < 2; ++i) {
    layers->push_back(conv());
    layers->push_back(norm());
    layers->push_back(relu());
  }
  double_conv = register_module("double_conv", layers);
}

ConvHeadImpl::ConvHeadImpl() {
  const auto up = [](int64_t in, int64_t out) {
    return nn::ConvTranspose2d(nn::ConvTranspose2dOptions(in, out, 2).stride(2));
  };
  conv0 = register_module("conv0", nn::Conv2d(nn::Conv2dOptions(1, 64, 3).padding(1)));
  up1 = register_module("up1", up(64, 64));
  conv1 = register_module("conv1", DoubleConv(64));
  up2 = register_module("up2", up(64, 32));
  conv2 = register_module("conv2", DoubleConv(32));
  proj = register_module("proj", nn::Conv2d(nn::Conv2dOptions(32, 1, 3).padding(1)));
}

torch::Tensor ConvHeadImpl::forward(const torch::Tensor& cost) {
  auto x = conv0(cost);  // [N, 64, h, w]
  // With channels last in memory the CPU's convolutions need no copies into a layout of their own.
  // GroupNorm on a GPU knows no channels last.
  if (!x.is_cuda()) x = x.contiguous(torch::MemoryFormat::ChannelsLast);
  x = conv1(up1(x));  // [N, 64, 2h, 2w]
  x = conv2(up2(x));  // [N, 32, 4h, 4w]
  return proj(x);     // [N, 1, 4h, 4w]
}

}  // namespace pixelclip
