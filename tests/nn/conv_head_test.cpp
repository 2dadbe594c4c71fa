#include "nn/conv_head.hpp"

#include <torch/autograd.h>
#include <torch/utils.h>

#include "support/device.hpp"
#include "support/tensors.hpp"

namespace pixelclip {
namespace {
using testing::close;
using testing::on_device;
using torch::Tensor;

/// The layers of a double convolution spelled out.
Tensor double_conv_by_hand(Tensor x, const torch::nn::Module& module, const std::string& prefix) {
  const auto parameters = module.named_parameters();
  for (const int layer : {0, 3}) {
    const auto get = [&](int index, const char* name) {
      return parameters[str(prefix, "double_conv.", index, ".", name)];
    };
    x = at::conv2d(x, get(layer, "weight"), {}, 1, 1);
    x = at::group_norm(x, x.size(1) / 16, get(layer + 1, "weight"), get(layer + 1, "bias"));
    x = at::relu(x);
  }
  return x;
}

TEST(DoubleConv, IsTwiceConvolutionNormAndReluAlsoInItsGradients) {
  DoubleConv module(32);
  module->to(testing::test_device());
  const auto inputs = on_device(torch::randn({2, 32, 5, 4}));
  const auto parameters = module->parameters();
  const auto gradients = [&](const Tensor& y) {
    return torch::autograd::grad({y.pow(2).sum()}, parameters);
  };
  const auto expected = double_conv_by_hand(inputs, *module, "");
  EXPECT_TRUE(close(module(inputs), expected, 1e-5));
  const auto own = gradients(module(inputs)), by_hand = gradients(expected);
  for (size_t i = 0; i < parameters.size(); ++i)
    EXPECT_TRUE(close(own[i], by_hand[i], 1e-4)) << "parameter " << i;
}

TEST(ConvHead, IsItsLayersSpelledOut) {
  torch::NoGradGuard no_grad;
  ConvHead head;
  head->to(testing::test_device());
  const auto parameters = head->named_parameters();
  const auto weight = [&](const char* name) { return parameters[str(name, ".weight")]; };
  const auto bias = [&](const char* name) { return parameters[str(name, ".bias")]; };
  const auto cost = on_device(torch::randn({3, 1, 4, 6}));
  auto x = at::conv2d(cost, weight("conv0"), bias("conv0"), 1, 1);
  for (const auto& [up, conv] : {std::pair("up1", "conv1."), std::pair("up2", "conv2.")}) {
    x = at::conv_transpose2d(x, weight(up), bias(up), /*stride=*/2);
    x = double_conv_by_hand(x, *head, conv);
  }
  x = at::conv2d(x, weight("proj"), bias("proj"), 1, 1);
  EXPECT_TRUE(close(head(cost), x, 1e-5));
}

}  // namespace
}  // namespace pixelclip
