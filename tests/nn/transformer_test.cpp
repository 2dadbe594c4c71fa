#include "nn/transformer.hpp"

#include <torch/nn/functional.h>
#include <torch/nn/init.h>
#include <torch/utils.h>

#include "io/state_dict.hpp"
#include "nn/conv_head.hpp"
#include "support/device.hpp"
#include "support/tensors.hpp"

namespace pixelclip {
namespace {
using testing::close;
using testing::on_device;
using torch::Tensor;
namespace F = torch::nn::functional;

class Transformers : public ::testing::TestWithParam<Activation> {
 protected:
  void SetUp() override {
    torch::manual_seed(3);
    for (auto& parameter : transformer_->parameters()) torch::nn::init::normal_(parameter, 0, 0.2);
    transformer_->to(testing::test_device());
  }
  torch::NoGradGuard no_grad_;
  Transformer transformer_{128, 3, 2, GetParam()};
};

/// A pre-norm block spelled out; `seen` [N, N] is 0 where a position is seen and −∞ elsewhere.
Tensor block_by_hand(Tensor x, const torch::nn::Module& module, Activation activation,
                     const Tensor& seen) {
  const auto parameters = module.named_parameters();
  const auto norm = [&](const std::string& name, const Tensor& y) {
    return F::layer_norm(y, F::LayerNormFuncOptions({128})
                                .weight(parameters[name + ".weight"])
                                .bias(parameters[name + ".bias"]));
  };
  const auto linear = [&](const std::string& name, const Tensor& y) {
    return F::linear(y, parameters[name + ".weight"], parameters[name + ".bias"]);
  };
  const auto thirds =
      F::linear(norm("ln_1", x), parameters["attn.in_proj_weight"], parameters["attn.in_proj_bias"])
          .chunk(3, 2);
  std::vector<Tensor> heads;
  for (int64_t head = 0; head < 2; ++head) {
    const auto part = [&](int which) { return thirds[which].slice(2, 64 * head, 64 * (head + 1)); };
    const auto weights = torch::softmax(part(0).matmul(part(1).transpose(1, 2)) / 8.0 + seen, 2);
    heads.push_back(weights.matmul(part(2)));
  }
  x = x + linear("attn.out_proj", torch::cat(heads, 2));
  const auto hidden = linear("mlp.c_fc", norm("ln_2", x));
  return x + linear("mlp.c_proj", activation == Activation::gelu
                                      ? 0.5 * hidden * (1 + torch::erf(hidden / std::sqrt(2.0)))
                                      : hidden * torch::sigmoid(1.702 * hidden));
}

TEST_P(Transformers, AreAttentionAndMlpsSpelledOut) {
  const auto x = on_device(torch::randn({2, 5, 128}));
  for (const bool causal : {false, true}) {
    const auto later = torch::ones({5, 5}, torch::kBool).triu(1);
    const auto seen = on_device(causal ? torch::zeros({5, 5}).masked_fill(later, -INFINITY)
                                       : torch::zeros({5, 5}));
    Tensor y = x;
    for (const auto& block :
         *transformer_->named_children()["resblocks"]->as<torch::nn::ModuleList>()) {
      y = block_by_hand(y, *block, GetParam(), seen);
    }
    EXPECT_TRUE(close(transformer_(x, causal), y, 1e-5)) << "causal: " << causal;
  }
}

TEST_P(Transformers, GiveTheSameWithGradientsAsInPlaceWithout) {
  const auto x = on_device(torch::randn({2, 5, 128}));
  const auto without = transformer_(x, false);
  at::AutoGradMode gradients(true);
  EXPECT_TRUE(close(transformer_(x, false), without, 1e-6));
}

TEST_P(Transformers, ContinueFromASharedPrefixAsIfItWereInEverySequence) {
  const auto prefix = on_device(torch::randn({1, 4, 128})),
             rest = on_device(torch::randn({3, 2, 128}));
  const auto whole =
      transformer_(torch::cat({prefix.expand({3, -1, -1}), rest}, 1), /*causal=*/true);
  EXPECT_TRUE(close(transformer_->forward_after(prefix, rest), whole.slice(1, 4), 1e-5));
}

TEST_P(Transformers, AreCausal) {
  const auto x = on_device(torch::randn({1, 6, 128}));
  EXPECT_TRUE(
      close(transformer_(x.slice(1, 0, 4), true), transformer_(x, true).slice(1, 0, 4), 1e-5));
}

TEST_P(Transformers, SplitIntoTheBlocksBeforeTheLastAndTheLast) {
  const auto x = on_device(torch::randn({2, 5, 128}));
  EXPECT_TRUE(torch::equal(transformer_->last().forward(transformer_->before_last(x), false),
                           transformer_(x, false)));
}

INSTANTIATE_TEST_SUITE_P(Activations, Transformers,
                         ::testing::Values(Activation::quick_gelu, Activation::gelu),
                         [](const auto& info) {
                           return info.param == Activation::gelu ? "Gelu" : "QuickGelu";
                         });

TEST(ConvHeadModule, EnlargesFourTimesAndHasThePublicNames) {
  ConvHead head;
  EXPECT_EQ(head(torch::zeros({2, 1, 3, 5})).sizes().vec(), (std::vector<int64_t>{2, 1, 12, 20}));
  const auto state = state_of(*head);
  EXPECT_EQ(state.size(), 20u);
  EXPECT_EQ(state.at("conv2.double_conv.3.weight").sizes().vec(),
            (std::vector<int64_t>{32, 32, 3, 3}));
  EXPECT_EQ(state.at("up2.weight").sizes().vec(), (std::vector<int64_t>{64, 32, 2, 2}));
}

}  // namespace
}  // namespace pixelclip
