#include "clip/dense_encoder.hpp"

#include <torch/utils.h>

#include "clip/clip.hpp"
#include "support/device.hpp"
#include "support/tensors.hpp"

namespace pixelclip {
namespace {

using testing::close;
using ::testing::HasSubstr;
using torch::Tensor;

class DenseEncoderTest : public ::testing::Test {
 protected:
  DenseEncoderTest() {
    torch::manual_seed(3);
    ClipArchitecture architecture;
    architecture.vit =
        VitOptions{.width = 64, .layers = 2, .patch = 16, .grid = 2, .embedding = 32};
    encoder_ = make_image_encoder(architecture);
    encoder_->eval();
    encoder_->to(testing::test_device());
  }

  static Tensor image(int64_t height, int64_t width) {
    return torch::randint(0, 256, {3, height, width}, torch::kByte);
  }

  const torch::NoGradGuard no_grad_;
  ImageEncoder encoder_;
  const PixelStatistics statistics_{{120, 110, 100}, {60, 50, 40}, testing::test_device()};
};

TEST_F(DenseEncoderTest, AnInputIsNormalisedBeforeItIsPaddedAndResized) {
  const DenseEncoder encoder(encoder_, statistics_);
  const auto small = image(40, 30);
  // Padding with the mean before normalisation is padding with zeros after it.
  auto padded =
      torch::tensor({120, 110, 100}, torch::kByte).view({3, 1, 1}).expand({3, 50, 60}).clone();
  padded.slice(1, 0, 40).slice(2, 0, 30).copy_(small);
  const auto input = encoder.input(small, 32, 48, 50, 60);
  EXPECT_EQ(input.sizes(), (std::vector<int64_t>{1, 3, 32, 48}));
  EXPECT_TRUE(close(input, encoder.input(padded, 32, 48), 1e-6));
  const auto same = encoder.input(small, 40, 30);
  EXPECT_TRUE(close(same[0][2], (small[2].to(torch::kFloat) - 100) / 40, 1e-6));
}

TEST_F(DenseEncoderTest, InputsOfSeveralSizesGiveWhatEachGivesAlone) {
  const DenseEncoder encoder(encoder_, statistics_);
  std::vector<Tensor> inputs;
  for (const int64_t width : {32, 64, 32, 32, 64})
    inputs.push_back(encoder.input(image(50, 70), 32, width));
  const auto together = encoder.dense(inputs, /*batch=*/2);
  ASSERT_EQ(together.size(), inputs.size());
  for (size_t i = 0; i < inputs.size(); ++i)
    EXPECT_TRUE(close(together[i], encoder.dense(inputs[i])[0], 1e-5)) << i;
}

TEST_F(DenseEncoderTest, FeaturesOfLowerPrecisionComeBackInFloat32) {
  const auto input = DenseEncoder(encoder_, statistics_).input(image(32, 32), 32, 32);
  const auto exact = DenseEncoder(encoder_, statistics_).dense(input);
  const auto rounded = DenseEncoder(encoder_, statistics_, autocast_type("bfloat16")).dense(input);
  EXPECT_EQ(rounded.scalar_type(), torch::kFloat);
  EXPECT_FALSE(torch::equal(rounded, exact));
  EXPECT_TRUE(close(rounded, exact, 0.05));
  EXPECT_ERROR(autocast_type("int8"), HasSubstr("unknown precision \"int8\""));
}

}  // namespace
}  // namespace pixelclip
