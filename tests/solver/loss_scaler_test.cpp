#include "solver/loss_scaler.hpp"

#include "support/device.hpp"
#include "support/tensors.hpp"

namespace pixelclip {
namespace {

TEST(LossScaler, HalvesAfterAnOverflowAndDoublesAfterTwoThousandGoodSteps) {
  LossScaler scaler(true);
  EXPECT_EQ(scaler.scale(), 65536);
  EXPECT_TRUE(scaler.update(false));
  EXPECT_EQ(scaler.scale(), 32768);
  for (int i = 0; i < 1999; ++i) scaler.update(true);
  EXPECT_EQ(scaler.scale(), 32768);
  scaler.update(false);
  for (int i = 0; i < 2000; ++i) EXPECT_FALSE(scaler.update(true));
  EXPECT_EQ(scaler.scale(), 32768);
  LossScaler other(true);
  other.load_state(scaler.state());
  EXPECT_EQ(other.scale(), 32768);
}

TEST(LossScaler, AScaleOfOneCannotBeToBlame) {
  LossScaler scaler(true);
  for (int i = 0; i < 16; ++i) EXPECT_TRUE(scaler.update(false));
  EXPECT_EQ(scaler.scale(), 1);
  EXPECT_FALSE(scaler.update(false));
  EXPECT_EQ(scaler.scale(), 1);
}

TEST(LossScaler, DividesGradientsByTheScaleAndDoesNothingWhenOff) {
  const auto gradient = testing::on_device(torch::full({3}, 131072.0));
  LossScaler(false).unscale({gradient});
  EXPECT_TRUE(gradient.eq(131072).all().item<bool>());
  LossScaler(true).unscale({gradient});
  EXPECT_TRUE(gradient.eq(2).all().item<bool>());
  EXPECT_EQ(LossScaler(false).scale(), 1);
  EXPECT_FALSE(LossScaler(false).update(false));
}

}  // namespace
}  // namespace pixelclip
