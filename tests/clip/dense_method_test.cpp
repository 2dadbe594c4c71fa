#include "clip/dense_method.hpp"

#include <torch/nn/functional.h>
#include <torch/nn/init.h>
#include <torch/utils.h>

#include "clip/clip.hpp"
#include "io/load_into.hpp"
#include "io/safetensors.hpp"
#include "support/device.hpp"
#include "support/tensors.hpp"

namespace pixelclip {
namespace {
using testing::close;
using ::testing::HasSubstr;
using testing::on_device;
using torch::Tensor;
namespace F = torch::nn::functional;

/// The golden CLIP and what the public code computes with it.
struct DenseGolden {
  DenseGolden() {
    const auto folder = testing::shared_folder() / "golden/dense";
    expected = read_safetensors(folder / "expected.safetensors").tensors;
    const auto weights = read_safetensors(folder / "model.safetensors").tensors;
    clip = CLIP(clip_architecture(weights));
    load_into(*clip, weights);
    clip->eval();
    clip->to(testing::test_device());
  }
  Tensor images(const std::string& size) const {
    const auto channels = [](float r, float g, float b) {
      return torch::tensor({r, g, b}).view({3, 1, 1});
    };
    const auto pixels = expected.at("in." + size).to(torch::kFloat);
    const auto normalised =
        (pixels - channels(122.771f, 116.746f, 104.094f)) / channels(68.501f, 66.632f, 70.323f);
    return on_device(normalised.unsqueeze(0));
  }
  StateDict expected;
  CLIP clip{nullptr};
};

using GoldenMethod = std::tuple<const char*, DenseMethod, DenseForm>;
class DenseMethods : public ::testing::TestWithParam<GoldenMethod> {};

TEST_P(DenseMethods, MeetThePublicCodeAtBothSizes) {
  SKIP_WITHOUT_SHARED();
  torch::NoGradGuard no_grad;
  DenseGolden golden;
  const auto& [name, method, form] = GetParam();
  for (const std::string size : {"square", "wide"}) {
    Tensor helper;
    if (method == DenseMethod::proxyclip)
      helper = on_device(golden.expected.at(str(name, ".", size, ".ex_feats")));
    const auto dense = golden.clip->visual->dense_by(golden.images(size),
                                                     {{.method = method, .form = form}}, helper)[0];
    const auto grid = golden.images(size).size(3) / 16;
    EXPECT_EQ(dense.size(2), helper.defined() ? helper.size(3) : grid);
    EXPECT_TRUE(close(dense.flatten(1, 2), golden.expected.at(str(name, ".", size, ".dense")),
                      testing::within(1e-5)))
        << size;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Golden, DenseMethods,
    ::testing::Values(GoldenMethod{"vanilla", DenseMethod::vanilla, DenseForm::automatic},
                      GoldenMethod{"vanilla_reduced", DenseMethod::vanilla, DenseForm::reduced},
                      GoldenMethod{"maskclip", DenseMethod::maskclip, DenseForm::automatic},
                      GoldenMethod{"maskclip_reduced", DenseMethod::maskclip, DenseForm::reduced},
                      GoldenMethod{"sclip", DenseMethod::sclip, DenseForm::automatic},
                      GoldenMethod{"sclip_reduced", DenseMethod::sclip, DenseForm::reduced},
                      GoldenMethod{"clearclip", DenseMethod::clearclip, DenseForm::automatic},
                      GoldenMethod{"kk", DenseMethod::kk, DenseForm::automatic},
                      GoldenMethod{"kk_vanilla", DenseMethod::kk, DenseForm::full},
                      GoldenMethod{"naclip", DenseMethod::naclip, DenseForm::automatic},
                      GoldenMethod{"naclip_vanilla", DenseMethod::naclip, DenseForm::full},
                      GoldenMethod{"proxyclip", DenseMethod::proxyclip, DenseForm::automatic},
                      GoldenMethod{"proxyclip_dino", DenseMethod::proxyclip, DenseForm::automatic}),
    [](const auto& info) { return std::string(std::get<0>(info.param)); });

/// A last block with random weights, two heads, and a grid of 2 × 3 patches.
struct SmallBlock {
  SmallBlock() {
    torch::manual_seed(3);
    for (auto& parameter : transformer->parameters()) torch::nn::init::normal_(parameter, 0, 0.2);
    transformer->to(testing::test_device());
    tokens = {on_device(torch::randn({2, 7, 128})), 2, 3};
  }
  Tensor apply(const DenseOptions& options, const Tensor& helper = {}) {
    return apply_last_block(transformer->last(), tokens, options, helper).x;
  }
  torch::NoGradGuard no_grad;
  Transformer transformer{128, 1, 2, Activation::quick_gelu};
  TokenGrid tokens;
};

TEST(DenseMethod, PixelClipAddsTheClassTokensInputToTheValues) {
  SmallBlock small;
  const auto parameters = small.transformer->named_parameters();
  const auto get = [&](const std::string& name) { return parameters["resblocks.0." + name]; };
  const auto norm = [&](const std::string& name, const Tensor& y) {
    return F::layer_norm(
        y, F::LayerNormFuncOptions({128}).weight(get(name + ".weight")).bias(get(name + ".bias")));
  };
  const auto& x = small.tokens.x;
  const auto values =
      F::linear(norm("ln_1", x.slice(1, 1)), get("attn.in_proj_weight").slice(0, 256),
                get("attn.in_proj_bias").slice(0, 256));
  const auto y =
      F::linear(values, get("attn.out_proj.weight"), get("attn.out_proj.bias")) + x.slice(1, 0, 1);
  const auto hidden = F::linear(norm("ln_2", y), get("mlp.c_fc.weight"), get("mlp.c_fc.bias"));
  const auto expected = y + F::linear(hidden * torch::sigmoid(1.702 * hidden),
                                      get("mlp.c_proj.weight"), get("mlp.c_proj.bias"));
  EXPECT_TRUE(close(small.apply({}), expected, 1e-5));
}

TEST(DenseMethod, VanillaIsTheWholeBlockWithoutTheClassToken) {
  SmallBlock small;
  const auto whole = small.transformer->forward(small.tokens.x, /*causal=*/false);
  EXPECT_TRUE(close(small.apply({.method = DenseMethod::vanilla}), whole.slice(1, 1), 1e-5));
}

TEST(DenseMethod, NaclipWithAWindowOfEqualWeightsIsKkButForTheClassToken) {
  SmallBlock small;
  const auto kk = small.apply({.method = DenseMethod::kk});
  const auto wide = small.apply({.method = DenseMethod::naclip, .gaussian_std = 1e4});
  const auto narrow = small.apply({.method = DenseMethod::naclip, .gaussian_std = 1e-3});
  EXPECT_FALSE(close(wide, kk, 1e-4)) << "patches gain 1, the class token gains nothing";
  EXPECT_FALSE(close(narrow, wide, 1e-4));
}

TEST(DenseMethod, ProxyclipWithAlikeFeaturesKeepsEveryPatchToItself) {
  SmallBlock small;
  const auto alike = on_device(torch::ones({2, 5, 2, 3}));
  const DenseOptions proxy{.method = DenseMethod::proxyclip};
  EXPECT_TRUE(close(small.apply(proxy, alike),
                    small.apply({.method = DenseMethod::maskclip, .form = DenseForm::reduced}),
                    1e-5));
}

TEST(DenseMethod, ProxyclipTakesEachImagesMeanAlone) {
  SmallBlock small;
  auto helper = on_device(torch::randn({2, 5, 4, 6}));
  helper[1] = helper[1].abs() + 1;  // another mean
  const DenseOptions proxy{.method = DenseMethod::proxyclip};
  const auto together = small.apply(proxy, helper);
  const TokenGrid both = small.tokens;
  for (int64_t i = 0; i < 2; ++i) {
    small.tokens.x = both.x.slice(0, i, i + 1);
    EXPECT_TRUE(close(small.apply(proxy, helper.slice(0, i, i + 1))[0], together[i], 1e-5)) << i;
  }
}

TEST(DenseMethod, SeveralAtOnceGiveWhatEachGivesAlone) {
  SKIP_WITHOUT_SHARED();
  torch::NoGradGuard no_grad;
  DenseGolden golden;
  const std::vector<DenseOptions> methods = {
      {}, {.method = DenseMethod::sclip}, {.method = DenseMethod::naclip}};
  const auto images = golden.images("wide");
  const auto together = golden.clip->visual->dense_by(images, methods);
  ASSERT_EQ(together.size(), 3u);
  EXPECT_TRUE(testing::same(together[0], golden.clip->visual->dense(images)));
  for (size_t i = 0; i < methods.size(); ++i)
    EXPECT_TRUE(testing::same(together[i], golden.clip->visual->dense_by(images, {methods[i]})[0]));
}

TEST(DenseMethod, IsRefusedForAConvNextInOneSentence) {
  ClipArchitecture convnext;
  convnext.convnext = ConvNextOptions{.depths = {1, 1, 1, 1}, .widths = {8, 8, 8, 8}};
  EXPECT_NO_THROW(check_dense(convnext, {}));
  EXPECT_ERROR(check_dense(convnext, {.method = DenseMethod::naclip}),
               HasSubstr("the dense method naclip changes the last block of a ViT, and this image "
                         "encoder is a ConvNeXt"));
}

TEST(DenseMethod, HasANameForEachAndNamesTheNearestOfAnUnknownOne) {
  for (const auto& name : all_spellings<DenseMethod>())
    EXPECT_EQ(to_string(dense_method(name)), name);
  EXPECT_ERROR(dense_method("naclipp"), HasSubstr("did you mean naclip"));
}

TEST(ResizePositions, WithTheOffsetResamplesAlsoTheSideThatFits) {
  torch::manual_seed(0);
  const auto positions = on_device(torch::randn({17, 8}));
  EXPECT_TRUE(torch::equal(resize_positions(positions, 4, 4, PositionRule::offset), positions));
  const auto plain = resize_positions(positions, 4, 6);
  const auto offset = resize_positions(positions, 4, 6, PositionRule::offset);
  EXPECT_FALSE(close(offset, plain, 1e-3));
  EXPECT_TRUE(close(offset, plain, 0.5));
  EXPECT_EQ(resize_positions(positions, 2, 8, PositionRule::offset).size(0), 17)
      << "16 patches of another shape are resized too";
}

}  // namespace
}  // namespace pixelclip
