#include "modeling/mask_clusters.hpp"

#include <torch/utils.h>

#include <barrier>
#include <thread>

#include "support/device.hpp"
#include "support/tensors.hpp"

namespace pixelclip {
namespace {

using testing::close;
using testing::on_device;
using torch::Tensor;

/// Masks of each image as a batch on the device.
MaskBatch batch_of(const std::vector<Tensor>& masks, int64_t most = 0) {
  TrainBatch batch;
  for (const auto& of_image : masks) {
    TrainSample sample;
    sample.image = torch::zeros({3, 4, 4}, torch::kUInt8);
    sample.mask_bits = pack_masks(of_image);
    batch.push_back(sample);
  }
  return to_device(batch, testing::test_device(), {.width = masks[0].size(2), .most = most}).masks;
}

Tensor random_masks(int64_t count, int64_t height, int64_t width, double share = 0.3) {
  return torch::rand({count, height, width}).lt(share).to(torch::kFloat);
}

TEST(MaskBits, ComeBackFromBytesWhateverTheWidth) {
  torch::manual_seed(1);
  for (const int64_t width : {1, 7, 8, 13, 24}) {
    const auto masks = on_device(random_masks(3, 5, width));
    EXPECT_TRUE(unpack_masks(pack_masks(masks), width).equal(masks)) << width;
    EXPECT_TRUE(unpack_masks(pack_masks(masks.unsqueeze(0)), width)[0].equal(masks)) << width;
  }
  const auto first = torch::zeros({1, 1, 9});
  first[0][0][0] = 1;
  EXPECT_TRUE(pack_masks(first).flatten().equal(torch::tensor({128, 0}, torch::kUInt8)));
}

TEST(Pooling, IsTheMeanOfTheResizedFeaturesInsideEachMask) {
  torch::manual_seed(2);
  const std::pair<Size2, Size2> shapes[] = {
      {{4, 5}, {16, 20}}, {{3, 7}, {13, 11}}, {{8, 8}, {6, 5}}, {{1, 1}, {9, 9}}};
  for (const auto& [grid, size] : shapes) {
    const auto features = on_device(torch::randn({2, grid.height, grid.width, 6}));
    const std::vector<Tensor> masks = {random_masks(3, size.height, size.width, 0.5),
                                       random_masks(5, size.height, size.width, 0.5)};
    const auto large =
        at::upsample_bilinear2d(features.permute({0, 3, 1, 2}), {size.height, size.width}, false);
    std::vector<Tensor> expected;
    for (int64_t i = 0; i < 2; ++i) {
      expected.push_back(torch::einsum("mhw,chw->mc", {masks[i], large[i].cpu()}) /
                         masks[i].sum({1, 2}).unsqueeze(1));
    }
    EXPECT_TRUE(close(pool_masks(features, batch_of(masks)), torch::cat(expected), 1e-5))
        << size.height << "×" << size.width;
  }
}

TEST(Pooling, OfNoMasksIsEmpty) {
  const auto pooled = pool_masks(on_device(torch::randn({2, 3, 3, 4})),
                                 batch_of({torch::zeros({2, 8, 8}), torch::zeros({0, 8, 8})}));
  EXPECT_EQ(pooled.sizes().vec(), (std::vector<int64_t>{0, 4}));
}

TEST(Merging, UnitesTheMasksOfAnImageThatShareACluster) {
  torch::manual_seed(3);
  const std::vector<Tensor> masks = {random_masks(9, 10, 11), random_masks(1, 10, 11),
                                     torch::zeros({0, 10, 11}), random_masks(4, 10, 11)};
  constexpr int64_t kClusters = 3;
  for (int round = 0; round < 5; ++round) {
    const auto clusters = torch::randint(0, kClusters, {14}, torch::kLong);
    auto expected = torch::zeros({4, kClusters, 10, 11});
    int64_t next = 0;
    for (int64_t i = 0; i < 4; ++i) {
      for (int64_t m = 0; m < masks[i].size(0); ++m) {
        auto target = expected[i][clusters[next++].item<int64_t>()];
        target.copy_(torch::maximum(target, masks[i][m]));
      }
    }
    const auto merged = merge_masks(batch_of(masks), on_device(clusters), kClusters);
    EXPECT_TRUE(unpack_masks(merged, 11).cpu().equal(expected));
  }
}

TEST(Merging, AllMasksMayGoToOneCluster) {
  torch::manual_seed(4);
  const auto masks = random_masks(100, 6, 8, 0.05);
  const auto batch = batch_of({masks});
  const auto clusters = on_device(torch::full({batch.size()}, 2, torch::kLong));
  const auto merged = merge_masks(batch, clusters, 4);
  auto expected = torch::zeros({4, 6, 8});
  expected[2] = masks.index({masks.sum({1, 2}).gt(1)}).amax(0);
  EXPECT_TRUE(unpack_masks(merged, 8)[0].cpu().equal(expected));
}

/// Runs `body` for each of the ranks in a thread of its own; they add up tensors among them.
void on_ranks(int ranks, const std::function<void(int, const AllReduce&)>& body) {
  std::barrier meet(ranks);
  std::vector<Tensor> given(ranks);
  std::vector<std::thread> threads;
  for (int rank = 0; rank < ranks; ++rank) {
    threads.emplace_back([&, rank] {
      body(rank, [&, rank](Tensor& numbers) {
        given[rank] = numbers.clone();
        meet.arrive_and_wait();
        auto sum = torch::zeros_like(numbers);
        for (const auto& some : given) sum += some;
        meet.arrive_and_wait();
        numbers.copy_(sum);
      });
    });
  }
  for (auto& thread : threads) thread.join();
}

TEST(Sinkhorn, GivesEveryMaskOneAndEveryClusterAnEqualShare) {
  torch::manual_seed(5);
  const auto q = sinkhorn(
      on_device(3 * torch::randn({40, 5})), [](Tensor&) {}, /*rounds=*/200);
  EXPECT_TRUE(close(q.sum(1), torch::ones({40}), 1e-5));
  EXPECT_TRUE(close(q.sum(0), torch::full({5}, 8.0), 1e-4));
}

TEST(Sinkhorn, IsTheSameWhereverTheMasksAreAndAnEmptyRankStillJoins) {
  torch::manual_seed(6);
  const auto logits = on_device(4 * torch::randn({12, 5}));
  const auto alone = sinkhorn(logits, [](Tensor&) {});
  const std::vector<int64_t> ends = {5, 5, 12};  // the second rank has no masks
  std::vector<Tensor> parts(3);
  on_ranks(3, [&](int rank, const AllReduce& all_reduce) {
    const int64_t begin = rank == 0 ? 0 : ends[rank - 1];
    parts[rank] = sinkhorn(logits.slice(0, begin, ends[rank]), all_reduce);
  });
  EXPECT_EQ(parts[1].sizes().vec(), (std::vector<int64_t>{0, 5}));
  EXPECT_TRUE(close(torch::cat(parts), alone, 1e-5));
}

TEST(MaskLoss, IsTheMeanOverClustersAndCoveredPixels) {
  torch::manual_seed(7);
  const auto logits = on_device(torch::randn({2, 3, 4, 5}));
  const auto targets = on_device(random_masks(6, 4, 5).view({2, 3, 4, 5}));
  const auto covered = targets.amax(1, true).expand_as(targets).gt(0);
  const auto p = logits.sigmoid();
  const auto entropy = -(targets * p.log() + (1 - targets) * (1 - p).log());
  EXPECT_NEAR(mask_loss(logits, targets).item<double>(),
              entropy.masked_select(covered).mean().item<double>(), 1e-6);
}

TEST(MaskLoss, WithoutMasksIsZeroAndHasAGradient) {
  const auto logits = on_device(torch::randn({1, 2, 3, 3})).requires_grad_();
  const auto loss = mask_loss(logits, torch::zeros_like(logits));
  loss.backward();
  EXPECT_EQ(loss.item<double>(), 0);
  EXPECT_TRUE(logits.grad().equal(torch::zeros_like(logits)));
}

}  // namespace
}  // namespace pixelclip
