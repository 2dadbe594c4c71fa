#include "clip/clip.hpp"

#include <torch/nn/init.h>
#include <torch/utils.h>

#include <ATen/CPUGeneratorImpl.h>

#include "io/load_into.hpp"
#include "io/safetensors.hpp"
#include "nn/autocast.hpp"
#include "support/device.hpp"
#include "support/tensors.hpp"

namespace pixelclip {
namespace {
using testing::close;
using ::testing::HasSubstr;
using testing::on_device;
using torch::Tensor;

ClipArchitecture tiny_vit() {
  ClipArchitecture architecture;
  architecture.vit = VitOptions{.width = 64, .layers = 2, .patch = 8, .grid = 4, .embedding = 16};
  architecture.text = {
      .width = 64, .layers = 2, .heads = 1, .context = 9, .vocabulary = 40, .embedding = 16};
  return architecture;
}

ClipArchitecture tiny_convnext(int64_t head_hidden = 0) {
  auto architecture = tiny_vit();
  architecture.vit.reset();
  architecture.convnext = ConvNextOptions{.depths = {1, 1, 3, 1},
                                          .widths = {8, 16, 24, 32},
                                          .embedding = 16,
                                          .head_hidden = head_hidden};
  architecture.text.activation = Activation::gelu;
  return architecture;
}

/// The golden model of `kind` and its numbers.
struct Golden {
  explicit Golden(const std::string& kind) {
    const auto folder = testing::shared_folder() / "golden" / kind;
    expected = read_safetensors(folder / "expected.safetensors").tensors;
    const std::string prefix = "sem_seg_head.predictor.clip_model.";
    StateDict weights;
    for (const auto& [name, tensor] : read_state_dict(folder / "model.pth")) {
      if (name.starts_with(prefix)) weights.emplace(name.substr(prefix.size()), tensor);
    }
    clip = CLIP(clip_architecture(weights));
    load_into(*clip, weights);
    clip->eval();
    clip->to(testing::test_device());
  }
  StateDict expected;
  CLIP clip{nullptr};
};

class GoldenClip : public ::testing::TestWithParam<const char*> {};

TEST_P(GoldenClip, MeetsDenseAndPooledOutputs) {
  SKIP_WITHOUT_SHARED();
  torch::NoGradGuard no_grad;
  Golden golden(GetParam());
  const bool vit = std::string(GetParam()) == "vit";
  const int64_t side = vit ? 96 : 128, small = vit ? 64 : 96;
  const auto mean = torch::tensor({122.7709383f, 116.7460125f, 104.09373615f}).view({3, 1, 1});
  const auto deviation = torch::tensor({68.5005327f, 66.6321579f, 70.3231630f}).view({3, 1, 1});
  const auto image = on_device(
      ((golden.expected.at("in.image.0").to(torch::kFloat) - mean) / deviation).unsqueeze(0));
  const auto resized = at::upsample_bilinear2d(image, {side, side}, false);
  EXPECT_TRUE(close(golden.clip->visual->dense(resized), golden.expected.at("eval.dense"),
                    testing::within(1e-5)));
  EXPECT_TRUE(
      close(golden.clip->visual->pooled(at::upsample_bilinear2d(resized, {small, small}, false)),
            golden.expected.at("eval.pooled"), testing::within(1e-5)));
}

INSTANTIATE_TEST_SUITE_P(Backbones, GoldenClip, ::testing::Values("vit", "convnext"),
                         [](const auto& info) { return std::string(info.param); });

TEST(ClipArchitecture, IsReadOffTheWeights) {
  for (const auto& built : {tiny_vit(), tiny_convnext(), tiny_convnext(20)}) {
    StateDict behind_prefix;
    for (const auto& [name, tensor] : state_of(*CLIP(built))) behind_prefix["a." + name] = tensor;
    const auto read = clip_architecture(behind_prefix, "a.");
    EXPECT_EQ(read.describe(), built.describe());
    EXPECT_EQ(read.text.activation, built.text.activation);
    if (built.vit) {
      EXPECT_EQ(read.vit->embedding, 16);
    } else {
      EXPECT_EQ(read.convnext->head_hidden, built.convnext->head_hidden);
    }
  }
}

TEST(ClipArchitecture, RefusesWeightsThatDoNotMakeAClip) {
  const auto state = state_of(*CLIP(tiny_vit()));
  const auto changed = [&](const std::string& name, const Tensor& tensor) {
    auto copy = state;
    copy.erase(name);
    if (tensor.defined()) copy[name] = tensor;
    return copy;
  };
  EXPECT_ERROR(clip_architecture({}), HasSubstr("visual.conv1.weight is missing"));
  EXPECT_ERROR(clip_architecture(changed("visual.proj", {})), HasSubstr("visual.proj is missing"));
  EXPECT_ERROR(clip_architecture(changed("visual.proj", torch::ones({64}))),
               HasSubstr("2 dimensions"));
  EXPECT_ERROR(clip_architecture(changed("visual.proj", torch::ones({64, 8}))),
               HasSubstr("do not belong together"));
  EXPECT_ERROR(clip_architecture(changed("visual.positional_embedding", torch::ones({12, 64}))),
               HasSubstr("12 positions"));
  EXPECT_ERROR(clip_architecture(changed("transformer.resblocks.0.attn.in_proj_weight", {})),
               HasSubstr("no text tower"));
}

TEST(ConvNext, DropsWholeSamplesMoreOftenTheDeeperTheBlock) {
  torch::manual_seed(0);
  ConvNextBlock block(8);
  torch::nn::init::normal_(block->named_parameters()["gamma"]);
  block->to(testing::test_device());
  const auto x =
      on_device(torch::randn({400, 8, 2, 2})).contiguous(torch::MemoryFormat::ChannelsLast);
  const auto stream = [](uint64_t seed) { return at::make_generator<at::CPUGeneratorImpl>(seed); };
  const auto whole = (block(x) - x).cpu();
  const auto factors = on_device(residual_factors(x.size(0), 0.25, stream(0)));
  const auto change = (block(x, factors) - x).cpu();
  int64_t dropped = 0;
  for (int64_t i = 0; i < x.size(0); ++i) {
    const bool none = change[i].abs().max().item<float>() == 0;
    dropped += none;
    if (!none) {
      ASSERT_TRUE(close(change[i], whole[i] / 0.75, 1e-5));
    }
  }
  EXPECT_NEAR(dropped / 400.0, 0.25, 0.07);

  auto architecture = tiny_convnext();
  architecture.convnext->drop_path_rate = 0.999;
  const auto encoder = make_image_encoder(architecture);
  encoder->train();
  encoder->to(testing::test_device());
  const auto images = on_device(torch::randn({64, 3, 32, 32}));
  const auto once = encoder->dense(images, stream(1));
  EXPECT_TRUE(testing::same(encoder->dense(images, stream(1)), once));
  EXPECT_FALSE(torch::equal(encoder->dense(images, stream(2)), once));
  EXPECT_THROW(encoder->dense(images), c10::Error) << "no stream was handed in";
  encoder->eval();
  EXPECT_TRUE(testing::same(encoder->dense(images), encoder->dense(images, stream(1))));
}

TEST(ConvNext, GivesTheSameWithGradientsAsInPlaceWithout) {
  for (const int64_t head_hidden : {0, 20}) {
    const auto encoder = make_image_encoder(tiny_convnext(head_hidden));
    encoder->eval();
    for (auto& item : encoder->named_parameters()) {
      if (item.key().ends_with("gamma")) torch::nn::init::normal_(item.value());
    }
    encoder->to(testing::test_device());
    const auto images = on_device(torch::randn({2, 3, 64, 96}));
    const auto with = encoder->dense(images);
    torch::NoGradGuard no_grad;
    EXPECT_TRUE(close(encoder->dense(images), with, 1e-5));
    EXPECT_EQ(with.sizes().vec(), (std::vector<int64_t>{2, 2, 3, 16}));
  }
}

TEST(ImageEncoders, TakeEverySizeOfWholePatchesAndKeepTheirMeaningInBfloat16) {
  torch::manual_seed(0);
  torch::NoGradGuard no_grad;
  for (const auto& architecture : {tiny_vit(), tiny_convnext()}) {
    const auto encoder = make_image_encoder(architecture);
    encoder->eval();
    encoder->to(testing::test_device());
    const auto images = on_device(torch::randn({1, 3, 64, 96}));
    const auto dense = encoder->dense(images);
    EXPECT_EQ(dense.size(3), 16);
    keep_matrices_in_bfloat16(*encoder);
    const Autocast autocast(testing::test_device(), torch::kBFloat16);
    EXPECT_TRUE(close(encoder->dense(images).to(torch::kFloat), dense, 0.05));
  }
}

TEST(TextEncoder, IsExactWhenCutToTheLongestTextOrBehindASharedBeginning) {
  torch::NoGradGuard no_grad;
  CLIP clip(tiny_vit());
  clip->to(testing::test_device());
  const std::vector<std::vector<int64_t>> texts = {
      {38, 5, 6, 7, 39}, {38, 5, 6, 39}, {38, 5, 6, 8, 9, 10, 39}};
  const auto tokens = on_device(pad_tokens(texts));
  const auto whole = torch::constant_pad_nd(tokens, {0, 2});  // all nine positions
  const auto expected = clip->encode_text(whole);
  EXPECT_TRUE(close(clip->encode_text(tokens), expected, 1e-5));
  const auto rest = whole.slice(1, 3);
  const auto shared = tokens[0].slice(0, 0, 3);
  EXPECT_TRUE(close(clip->encode_text_after(shared, rest), expected, 1e-5));
  EXPECT_THROW(clip->encode_text(on_device(torch::zeros({1, 10}, torch::kLong))), c10::Error);
}

TEST(VisionTransformer, PoolsTheChosenPatchesAlone) {
  torch::NoGradGuard no_grad;
  torch::manual_seed(3);
  VisionTransformerImpl vit({.width = 64, .layers = 2, .patch = 8, .grid = 4, .embedding = 32});
  vit.to(testing::test_device());
  auto images = on_device(torch::randn({2, 3, 32, 32}));
  const auto all = on_device(torch::arange(16)).expand({2, -1});
  EXPECT_TRUE(close(vit.pooled_of_patches(images, all), vit.pooled(images), 1e-6));
  const auto some = on_device(torch::tensor({{0, 5}, {3, 15}}));
  const auto before = vit.pooled_of_patches(images, some);
  images.slice(2, 16, 24).zero_();  // the third row of patches: 8 to 11
  EXPECT_TRUE(torch::equal(vit.pooled_of_patches(images, some), before));
  const auto others = on_device(torch::tensor({{0, 9}, {3, 15}}));
  EXPECT_FALSE(close(vit.pooled_of_patches(images, others), before, 1e-3));
}

TEST(ImageEncoders, GiveDenseAndPooledEmbeddingsTogether) {
  torch::NoGradGuard no_grad;
  torch::manual_seed(3);
  ClipArchitecture vit, convnext;
  vit.vit = VitOptions{.width = 64, .layers = 2, .patch = 8, .grid = 4, .embedding = 32};
  convnext.convnext = ConvNextOptions{.depths = {1, 1, 1, 1}, .widths = {8, 8, 16, 16}};
  for (const auto& architecture : {vit, convnext}) {
    auto encoder = make_image_encoder(architecture);
    encoder->eval();
    encoder->to(testing::test_device());
    for (const int64_t width : {32, 64}) {
      const auto images = on_device(torch::randn({2, 3, 32, width}));
      for (const auto method : {DenseMethod::pixelclip, DenseMethod::naclip}) {
        if (!architecture.vit && method != DenseMethod::pixelclip) continue;
        const auto [dense, pooled] = encoder->dense_and_pooled(images, {.method = method});
        EXPECT_TRUE(close(dense, encoder->dense_by(images, {{.method = method}})[0], 1e-6));
        EXPECT_TRUE(close(pooled, encoder->pooled(images), 1e-5));
      }
    }
  }
}

TEST(ResizePositions, KeepsTheClassTokenAndTheGridItWasMadeFor) {
  const auto positions = on_device(torch::randn({17, 8}));
  EXPECT_TRUE(torch::equal(resize_positions(positions, 4, 4), positions));
  const auto wide = resize_positions(positions, 4, 6);
  EXPECT_EQ(wide.size(0), 25);
  EXPECT_TRUE(torch::equal(wide[0], positions[0]));
  const auto constant = on_device(torch::ones({17, 8}));
  EXPECT_TRUE(close(resize_positions(constant, 9, 5), torch::ones({46, 8}), 1e-6));
}

}  // namespace
}  // namespace pixelclip
