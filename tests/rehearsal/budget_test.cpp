#include <cmath>

#include "inference/argmax_tensor.hpp"
#include "modeling/dino.hpp"
#include "rehearsal/steps.hpp"
#include "support/tiny_dino.hpp"

// What a training step may ask of a GPU. The layers are as many as in ViT-B/16 and ConvNeXt-B, but
// narrow; the operations are the same.
namespace pixelclip::fake_cuda {
namespace {

constexpr int64_t kMasks = 60;

/// Operations of one step: about 5 % more than on 2026-11-28.
int64_t most_operations(bool convnext, FloatType precision) {
  if (precision == FloatType::float32) return convnext ? 1715 : 1150;
  return convnext ? 3045 : 1745;
}

class StepBudget : public ::testing::TestWithParam<bool> {
 protected:
  static StepSettings settings() {
    return GetParam() ? convnext_base(/*narrow=*/true) : vit_base(/*narrow=*/true);
  }
};

TEST_P(StepBudget, TheHostWaitsTwiceAtMostAndTheOperationsAreFewInEveryPrecision) {
  for (const auto precision : {FloatType::float32, FloatType::bfloat16, FloatType::float16}) {
    const std::string amp = to_string(precision);
    auto settings = this->settings();
    settings.precision = precision;
    Steps steps(settings);
    steps.run(2, kMasks);
    const auto counts = steps.run(2, kMasks);
    EXPECT_LE(counts.operations, most_operations(GetParam(), precision)) << amp;
    EXPECT_LE(counts.synchronisations, 2) << amp;
    EXPECT_EQ(counts.waits, 0) << amp;
    EXPECT_TRUE(std::isfinite(steps.result().loss) || steps.result().scaled_too_much) << amp;
    settings.parts = 2;
    Steps in_parts(settings);
    in_parts.run(4, kMasks);
    EXPECT_LE(in_parts.run(4, kMasks).synchronisations, 2) << amp;
  }
}

TEST_P(StepBudget, TheOperationsAreTheSameForTwoAndForTwelveImages) {
  Steps steps(settings());
  steps.run(2, kMasks);
  const auto two = steps.run(2, kMasks), twelve = steps.run(12, kMasks);
  EXPECT_EQ(two.by_name, twelve.by_name);
  EXPECT_EQ(two.to_device, twelve.to_device);
  EXPECT_EQ(two.to_host, twelve.to_host);
}

TEST_P(StepBudget, NoFloat32ResultGrowsWithImagesTimesMasksTimesTheirCells) {
  Steps steps(settings());
  const auto counts = steps.run(4, kMasks);
  EXPECT_LT(counts.largest_float, 4 * kMasks * 64 * 64 / 2);
  // Twice the masks do not need more than an eighth of them in float32.
  EXPECT_LT(steps.run(4, 2 * kMasks).largest_float, 4 * 2 * kMasks * 64 * 64 / 4);
}

INSTANTIATE_TEST_SUITE_P(Backbones, StepBudget, ::testing::Values(false, true),
                         [](const auto& info) { return info.param ? "convnext" : "vit"; });

TEST(DinoBudget, MasksAreMadeWithoutAWaitAndTheStepReadsTheirAreas) {
  const testing::TempFolder folder;
  testing::write_tiny_dino(folder / "dino.pth", 8, 4);
  ModelConfig config;
  config.dino_weights = folder / "dino.pth";
  config.dino_clusters = 4;
  config.mask_resolution = {64, 64};
  for (const auto start : {KmeansStart::random, KmeansStart::plusplus}) {
    config.dino_kmeans = start;
    DinoMasks dino(config, torch::Device(torch::kCUDA, 0));
    Steps steps(vit_base(/*narrow=*/true));
    auto batch = steps.batch(3, 5);
    reset_counts();
    dino.add_masks(batch);
    EXPECT_EQ(counts().synchronisations, 0);
    EXPECT_LE(steps.run(batch).synchronisations, 2);
    EXPECT_GT(steps.result().masks, 3);
  }
}

TEST(StepOnTheFakeDevice, PreparesTheNextBatchOnAStreamOfItsOwn) {
  const auto before = violations().size();
  Steps steps(vit_base(/*narrow=*/true));
  const auto counts = steps.run_ahead(3, 2, 10);
  EXPECT_EQ(violations().size(), before);
  EXPECT_EQ(counts.blocking_to_device, 0);
  EXPECT_EQ(counts.waits, 0);
  EXPECT_LE(counts.synchronisations, 3 * 2);
}

/// The labels of `height` × 1000 pixels from 150 classes without the kernel: the most bytes that
/// they took.
int64_t peak_of_labels(int64_t height) {
  const auto scores = torch::ones({150, 64, 64}).to(torch::Device(torch::kCUDA, 0));
  reset_counts();
  const int64_t before = counts().peak;
  argmax_upsampled(scores, height, 1000);
  return counts().peak - before;
}

TEST(ArgmaxBudget, WithoutTheKernelTheScoresOfAllPixelsNeverExistAtOnce) {
  constexpr int64_t kScoresOfARow = 150 * 1000 * sizeof(float);
  const int64_t low = peak_of_labels(600), high = peak_of_labels(1200);
  EXPECT_LT(high, 1200 * kScoresOfARow * 3 / 4);
  EXPECT_LT(high - low, 600 * kScoresOfARow / 20) << "only the labels grow with the height";
}

}  // namespace
}  // namespace pixelclip::fake_cuda
