#include "modeling/training_batch.hpp"

#include <torch/utils.h>

#include "modeling/mask_clusters.hpp"
#include "support/device.hpp"
#include "support/tensors.hpp"

namespace pixelclip {
namespace {

using ::testing::ElementsAre;
using torch::Tensor;

TrainSample sample(int64_t height, int64_t width, const Tensor& masks) {
  TrainSample made;
  made.image = torch::randint(1, 256, {3, height, width}, torch::kUInt8);
  made.image_strong = torch::randint(1, 256, {3, height, width}, torch::kUInt8);
  made.mask_bits = pack_masks(masks);
  return made;
}

/// One mask of 3 × 11 cells for each area: its first cells are set.
Tensor masks_of(const std::vector<int64_t>& areas) {
  auto masks = torch::zeros({static_cast<int64_t>(areas.size()), 33});
  for (size_t i = 0; i < areas.size(); ++i) masks[i].slice(0, 0, areas[i]).fill_(1);
  return masks.view({-1, 3, 11});
}

TEST(TrainingBatch, HoldsTheImagesInOneFrameAndTheirSizes) {
  torch::manual_seed(1);
  TrainBatch batch = {sample(4, 6, masks_of({})), sample(5, 3, masks_of({}))};
  batch[0].frame = {4, 7};
  const auto there = to_device(batch, testing::test_device(), {.width = 11});
  EXPECT_EQ(there.images.sizes().vec(), (std::vector<int64_t>{2, 3, 5, 7}));
  EXPECT_TRUE(there.sizes.cpu().equal(torch::tensor({{4, 5}, {6, 3}})));
  const auto images = there.images.cpu();
  for (int64_t i = 0; i < 2; ++i) {
    const auto& image = batch[i].image;
    const auto part = images[i].slice(1, 0, image.size(1)).slice(2, 0, image.size(2));
    EXPECT_TRUE(part.equal(image));
    EXPECT_EQ(images[i].to(torch::kLong).sum().item<int64_t>(),
              image.to(torch::kLong).sum().item<int64_t>());  // zeros around it
  }
  EXPECT_FALSE(there.strong.equal(there.images));
  EXPECT_FALSE(to_device({batch[1]}, testing::test_device(), {.width = 11}).sizes.defined());
}

TEST(TrainingBatch, WithoutStrongImagesBothAreTheSame) {
  auto plain = sample(4, 4, masks_of({5}));
  plain.image_strong = Tensor();
  const auto there = to_device({plain}, testing::test_device(), {.width = 11});
  EXPECT_TRUE(there.strong.is_same(there.images));
}

TEST(TrainingBatch, KeepsMasksOfTwoCellsAndMore) {
  const auto there = to_device({sample(4, 4, masks_of({5, 1, 33, 0, 2})),
                                sample(4, 4, masks_of({})), sample(4, 4, masks_of({7}))},
                               testing::test_device(), {.width = 11})
                         .masks;
  EXPECT_THAT(there.counts, ElementsAre(3, 0, 1));
  EXPECT_TRUE(there.areas.cpu().equal(torch::tensor({5.0f, 33.0f, 2.0f, 7.0f})));
  EXPECT_TRUE(there.image.cpu().equal(torch::tensor({0, 0, 0, 2})));
  EXPECT_TRUE(there.slot.cpu().equal(torch::tensor({0, 1, 2, 6})));
  EXPECT_TRUE(unpack_masks(there.bits, 11).cpu().equal(masks_of({5, 33, 2, 7})));
  EXPECT_TRUE(unpack_masks(there.first(), 11).cpu().equal(masks_of({5, 33, 2})));
}

TEST(TrainingBatch, KeepsTheFirstMasksWhereTheyAreLimited) {
  const auto there = to_device({sample(4, 4, masks_of({1, 5, 6, 7}))}, testing::test_device(),
                               {.width = 11, .most = 2})
                         .masks;
  EXPECT_TRUE(there.areas.cpu().equal(torch::tensor({5.0f, 6.0f})));
}

TEST(TrainingBatch, BitsBehindTheWidthDoNotCount) {
  auto dirty = sample(4, 4, masks_of({3, 1}));
  dirty.mask_bits.select(2, 1).bitwise_or_(0x1F);  // columns 11 to 15
  const auto there = to_device({dirty}, testing::test_device(), {.width = 11}).masks;
  EXPECT_TRUE(there.areas.cpu().equal(torch::tensor({3.0f})));
}

}  // namespace
}  // namespace pixelclip
