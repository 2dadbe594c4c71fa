#include <torch/utils.h>

#include "gpu/gpu.hpp"
#include "inference/argmax_tensor.hpp"
#include "modeling/pixelclip.hpp"
#include "nn/seeded_init.hpp"
#include "support/tensors.hpp"

// What the encoders of true size and the kernel of labels compute on a GPU and on the CPU.
namespace pixelclip::testing {
namespace {

using torch::Tensor;

/// Dense features, the pooled feature and class embeddings, in this order.
std::vector<Tensor> features_of(CLIP& clip, const Tensor& images, const std::string& device) {
  const torch::NoGradGuard no_grad;
  clip->to(torch::Device(device));
  const auto there = images.to(torch::Device(device));
  return {clip->visual->dense(there).cpu(), clip->visual->pooled(there).cpu(),
          encode_classes(clip, {"cat", "traffic light"}, {"a photo of a {}."}).cpu()};
}

void expect_the_cpus_features(const ClipArchitecture& architecture, int64_t side) {
  const SeededInit seeded(1);
  CLIP clip(architecture);
  clip->eval();
  {
    const torch::NoGradGuard no_grad;
    for (auto& item : clip->named_parameters()) {
      if (item.key().ends_with("gamma")) item.value().fill_(0.1);  // so that the blocks matter
    }
  }
  const auto images = torch::randn({2, 3, side, side});
  const auto expected = features_of(clip, images, "cpu"),
             actual = features_of(clip, images, device());
  for (size_t i = 0; i < expected.size(); ++i)
    EXPECT_TRUE(close(actual[i], expected[i], 1e-4)) << i;
}

TEST(FeaturesOnAGpu, OfVitBaseAreTheCpus) {
  ClipArchitecture architecture;
  architecture.vit = VitOptions();
  expect_the_cpus_features(architecture, 224);
}

TEST(FeaturesOnAGpu, OfConvnextBaseAreTheCpus) {
  ClipArchitecture architecture;
  architecture.convnext = ConvNextOptions();
  architecture.text = {.width = 640, .heads = 10, .embedding = 640, .activation = Activation::gelu};
  expect_the_cpus_features(architecture, 256);
}

/// Also what compute-sanitizer examines.
TEST(ArgmaxKernel, GivesTheCpusLabels) {
  torch::manual_seed(1);
  for (const auto& [classes, side, height, width] :
       std::initializer_list<std::tuple<int, int, int, int>>{
           {150, 64, 241, 317}, {19, 64, 129, 511}, {1, 5, 9, 9}, {7, 1, 13, 17}, {3, 50, 97, 1}}) {
    const auto scores = torch::randn({classes, side, side});
    const auto expected = argmax_upsampled(scores, height, width).ids;
    const auto actual = argmax_upsampled(scores.to(torch::Device(device())), height, width).ids;
    ASSERT_EQ(actual.size(), expected.size());
    EXPECT_GE(
        torch::tensor(actual).eq(torch::tensor(expected)).to(torch::kDouble).mean().item<double>(),
        0.9999)
        << classes << " classes, " << height << "×" << width;
  }
}

TEST(ArgmaxKernel, RefusesScoresThatAreNotFinite) {
  auto scores = torch::zeros({3, 4, 4});
  scores[1][2][2] = NAN;
  EXPECT_ERROR(argmax_upsampled(scores.to(torch::Device(device())), 9, 9),
               ::testing::HasSubstr("not a finite number"));
}

}  // namespace
}  // namespace pixelclip::testing
