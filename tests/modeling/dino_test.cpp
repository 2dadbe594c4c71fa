#include "pixelclip/modeling/dino.hpp"

#include <torch/utils.h>

#include "pixelclip/base/error.hpp"
#include "pixelclip/io/safetensors.hpp"
#include "pixelclip/io/torch_file.hpp"
#include "pixelclip/modeling/mask_clusters.hpp"
#include "support/tensors.hpp"

namespace pixelclip {
namespace {
using testing::close;
using ::testing::HasSubstr;
using testing::TempFolder;
using torch::Tensor;

TEST(Dino, MeetsTheReferenceOnItsOwnGridAndOnOthers) {
  SKIP_WITHOUT_SHARED();
  torch::NoGradGuard no_grad;
  const auto folder = testing::shared_folder() / "golden/dino";
  const auto expected = read_safetensors(folder / "expected.safetensors").tensors;
  const Dino dino(read_state_dict(folder / "dino.pth"), "dino.pth");
  int compared = 0;
  for (; expected.count(str(compared, ".x")); ++compared) {
    EXPECT_TRUE(close(Dino(dino)->forward(expected.at(str(compared, ".x"))), expected.at(str(compared, ".y")), 1e-5))
        << compared;
  }
  EXPECT_GE(compared, 2);
}

/// Weights of a small DINO with random values.
StateDict tiny_dino() {
  torch::manual_seed(0);
  StateDict weights{{"cls_token", torch::randn({1, 1, 64})}, {"pos_embed", torch::randn({1, 5, 64})},
                    {"patch_embed.proj.weight", torch::randn({64, 3, 4, 4})}, {"patch_embed.proj.bias", torch::zeros({64})},
                    {"norm.weight", torch::ones({64})}, {"norm.bias", torch::zeros({64})}};
  const std::string block = "blocks.0.";
  for (const char* norm : {"norm1", "norm2"}) {
    weights[block + norm + ".weight"] = torch::ones({64});
    weights[block + norm + ".bias"] = torch::zeros({64});
  }
  const std::tuple<const char*, int64_t, int64_t> linears[] = {
      {"attn.qkv", 192, 64}, {"attn.proj", 64, 64}, {"mlp.fc1", 256, 64}, {"mlp.fc2", 64, 256}};
  for (const auto& [name, out, in] : linears) {
    weights[block + name + ".weight"] = 0.05 * torch::randn({out, in});
    weights[block + name + ".bias"] = torch::zeros({out});
  }
  return weights;
}

TEST(Dino, SaysWhatIsWrongWithWeights) {
  auto weights = tiny_dino();
  EXPECT_NO_THROW(Dino(weights, "d.pth"));
  weights["blocks.0.more"] = torch::ones({1});
  EXPECT_ERROR(Dino(weights, "d.pth"), HasSubstr("1 unexpected: blocks.0.more"));
  weights.erase("blocks.0.more");
  weights["pos_embed"] = torch::ones({1, 6, 64});
  EXPECT_ERROR(Dino(weights, "d.pth"), HasSubstr("d.pth: it holds no DINO vision transformer that can be used"));
  weights.erase("cls_token");
  EXPECT_ERROR(Dino(weights, "d.pth"), HasSubstr("cls_token is missing"));
}

/// Points [B, count · each, 3] in heaps that do not touch, and the heap of each.
std::pair<Tensor, Tensor> heaps(int64_t batch, int64_t count, int64_t each) {
  const auto centres = 10 * torch::arange(count).view({1, count, 1, 1}).expand({batch, count, each, 3});
  const auto order = torch::randperm(count * each);
  const auto points = (centres + torch::rand({batch, count, each, 3})).reshape({batch, -1, 3}).index_select(1, order);
  return {points, (order.div(each, "floor")).expand({batch, -1})};
}

TEST(KMeans, FindsHeapsThatDoNotTouch) {
  torch::manual_seed(0);
  for (const uint64_t seed : {0, 1, 2, 3, 4}) {
    const auto [points, heap] = heaps(3, 6, 20);
    const auto clusters = kmeans(points, 6, seed);
    for (int64_t b = 0; b < 3; ++b) {
      // The same partition: as many pairs (heap, cluster) as heaps.
      const auto pairs = std::get<0>(at::_unique(heap[b] * 6 + clusters[b]));
      EXPECT_EQ(pairs.numel(), 6) << "image " << b << ", seed " << seed;
    }
  }
}

TEST(KMeans, DependsOnTheSeedAloneAndNotOnTheRestOfTheBatch) {
  torch::manual_seed(0);
  const auto points = torch::randn({3, 200, 8});
  const auto all = kmeans(points, 7, 5);
  EXPECT_TRUE(torch::equal(all, kmeans(points, 7, 5)));
  EXPECT_FALSE(torch::equal(all, kmeans(points, 7, 6)));
  for (int64_t b = 0; b < 3; ++b) EXPECT_TRUE(torch::equal(kmeans(points.slice(0, b, b + 1), 7, 5)[0], all[b])) << b;
}

TEST(KMeans, EndsWhereEveryPointIsNearestToTheMeanOfItsCluster) {
  torch::manual_seed(0);
  const auto points = torch::randn({1, 300, 4});
  const auto clusters = kmeans(points, 5, 0, 1000, 1e-12)[0];
  const auto members = torch::one_hot(clusters, 5).to(torch::kFloat);
  const auto means = members.t().matmul(points[0]) / members.sum(0).unsqueeze(1);
  EXPECT_TRUE(torch::equal(torch::cdist(points[0], means).argmin(1), clusters));
}

TEST(KMeans, SeedsEmptyClustersAnewAndBearsEqualPoints) {
  // Two far points among many equal ones: whatever the start, three clusters hold something in the end.
  auto points = torch::zeros({1, 50, 2});
  points[0][7] = 100;
  points[0][9] = -100;
  for (const uint64_t seed : {0, 1, 2, 3}) {
    EXPECT_EQ(std::get<0>(at::_unique(kmeans(points, 3, seed))).numel(), 3) << seed;
  }
  const auto same = kmeans(torch::ones({2, 30, 4}), 4, 0);
  EXPECT_GE(same.min().item<int64_t>(), 0);
  EXPECT_LT(same.max().item<int64_t>(), 4);
}

TEST(DinoMasks, CoverEveryCropOnceOnTheMaskGrid) {
  const TempFolder folder;
  write_torch_file(folder / "dino.pth", to_value(tiny_dino()));
  ModelConfig config;
  config.dino_weights = (folder / "dino.pth").string();
  config.dino_clusters = 3;
  config.mask_resolution = {20, 12};
  DinoMasks masks(config, torch::kCPU);
  torch::manual_seed(1);
  const auto image = [](int64_t height, int64_t width) {
    // Two flat halves: clusters must follow the border between them.
    auto pixels = torch::zeros({3, height, width}, torch::kUInt8);
    pixels.slice(2, width / 2) = 255;
    return pixels;
  };
  TrainBatch batch(3);
  batch[0].image = image(32, 32);
  batch[1].image = image(26, 41);  // not whole patches, and of another size
  batch[2].image = image(32, 32);
  masks.add_masks(batch);
  for (const auto& sample : batch) {
    EXPECT_EQ(sample.mask_bits.sizes().vec(), (std::vector<int64_t>{3, 20, 2}));
    const auto unpacked = unpack_masks(sample.mask_bits, 12);
    EXPECT_TRUE(torch::equal(unpacked.sum(0), torch::ones({20, 12})));
  }
  EXPECT_TRUE(torch::equal(batch[0].mask_bits, batch[2].mask_bits));
  const auto map = unpack_masks(batch[0].mask_bits, 12).argmax(0);
  EXPECT_NE(map[10][1].item<int64_t>(), map[10][10].item<int64_t>());

  batch.resize(1);
  batch[0].file_name = "small.jpg";
  batch[0].image = image(4, 8);
  EXPECT_ERROR(masks.add_masks(batch), HasSubstr("small.jpg: its crop of 4×8 pixels has 2 patches"));
}

}  // namespace
}  // namespace pixelclip
