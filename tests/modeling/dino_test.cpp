#include "modeling/dino.hpp"

#include <ATen/Context.h>
#include <ATen/record_function.h>
#include <torch/utils.h>

#include <vector>

#include "base/error.hpp"
#include "base/scope_exit.hpp"
#include "io/safetensors.hpp"
#include "io/torch_writer.hpp"
#include "modeling/mask_clusters.hpp"
#include "support/device.hpp"
#include "support/tensors.hpp"
#include "support/tiny_dino.hpp"

namespace pixelclip {
namespace {
using testing::close;
using ::testing::HasSubstr;
using testing::on_device;
using testing::TempFolder;
using testing::tiny_dino;
using torch::Tensor;

TEST(Dino, MeetsTheReferenceOnItsOwnGridAndOnOthers) {
  SKIP_WITHOUT_SHARED();
  torch::NoGradGuard no_grad;
  const auto folder = testing::shared_folder() / "golden/dino";
  const auto expected = read_safetensors(folder / "expected.safetensors").tensors;
  Dino dino(read_state_dict(folder / "dino.pth"), "dino.pth");
  dino->to(testing::test_device());
  int compared = 0;
  for (; expected.count(str(compared, ".x")); ++compared) {
    EXPECT_TRUE(close(dino(on_device(expected.at(str(compared, ".x")))),
                      expected.at(str(compared, ".y")), testing::within(1e-5)))
        << compared;
  }
  EXPECT_GE(compared, 2);
}

TEST(Dino, MeetsThePublicDinoV2WithAndWithoutRegisters) {
  torch::NoGradGuard no_grad;
  const auto tensors =
      read_safetensors(testing::test_files() / "tests/golden/dinov2.safetensors").tensors;
  StateDict weights;
  for (const auto& [name, tensor] : tensors) {
    if (!name.starts_with("in.") && !name.starts_with("out.")) weights.emplace(name, tensor);
  }
  for (const int registers : {4, 0}) {
    if (registers == 0) weights.erase("register_tokens");
    Dino dino(weights, "dinov2");
    dino->to(testing::test_device());
    for (const std::string size : {"28x28", "21x49"}) {
      EXPECT_TRUE(close(dino(on_device(tensors.at("in." + size))),
                        tensors.at(str("out.", registers, ".", size)), testing::within(1e-5)))
          << registers << " registers, " << size;
    }
  }
}

TEST(Dino, SaysWhatIsWrongWithWeights) {
  auto weights = tiny_dino();
  EXPECT_NO_THROW(Dino(weights, "d.pth"));
  weights["blocks.0.more"] = torch::ones({1});
  EXPECT_ERROR(Dino(weights, "d.pth"), HasSubstr("1 unexpected: blocks.0.more"));
  weights.erase("blocks.0.more");
  weights["pos_embed"] = torch::ones({1, 6, 64});
  EXPECT_ERROR(Dino(weights, "d.pth"),
               HasSubstr("d.pth: it holds no DINO vision transformer that can be used"));
  const StateDict clip{{"visual.conv1.weight", torch::ones({1})}};
  EXPECT_ERROR(Dino(clip, "clip.pt"),
               HasSubstr("clip.pt: it holds no DINO vision transformer: cls_token is missing"));
  weights.erase("cls_token");
  EXPECT_ERROR(Dino(weights, "d.pth"), HasSubstr("cls_token is missing"));
}

TEST(DinoHelper, TakesImagesBackFromClipsNormalisationAndFitsThemToItsPatches) {
  torch::NoGradGuard no_grad;
  const TempFolder folder;
  write_torch_file(folder / "dino.pth", to_value(tiny_dino()));
  const ModelConfig config;
  const auto normalised = [](const Tensor& pixels, const std::vector<double>& mean,
                             const std::vector<double>& std) {
    return on_device((pixels - torch::tensor(mean, torch::kFloat).view({3, 1, 1})) /
                     torch::tensor(std, torch::kFloat).view({3, 1, 1}));
  };
  torch::manual_seed(0);
  const auto pixels = torch::randint(0, 256, {1, 3, 8, 12}).to(torch::kFloat);
  const DinoHelper helper((folder / "dino.pth").string(), testing::test_device(),
                          config.clip_pixel_mean, config.clip_pixel_std);
  const auto map =
      helper.features(normalised(pixels, config.clip_pixel_mean, config.clip_pixel_std));
  EXPECT_EQ(map.sizes().vec(), (std::vector<int64_t>{1, 64, 2, 3}));
  Dino dino(tiny_dino(), "");
  dino->to(testing::test_device());
  EXPECT_TRUE(close(map.flatten(2).transpose(1, 2),
                    dino(normalised(pixels, config.pixel_mean, config.pixel_std)), 1e-5));
  EXPECT_EQ(helper.features(on_device(torch::randn({1, 3, 11, 14}))).sizes().vec(),
            (std::vector<int64_t>{1, 64, 2, 3}));
}

/// Points [B, count · each, 3] in heaps that do not touch, and the heap of each.
std::pair<Tensor, Tensor> heaps(int64_t batch, int64_t count, int64_t each) {
  const auto centres =
      10 * torch::arange(count).view({1, count, 1, 1}).expand({batch, count, each, 3});
  const auto order = torch::randperm(count * each);
  const auto points = (centres + torch::rand({batch, count, each, 3}))
                          .reshape({batch, -1, 3})
                          .index_select(1, order);
  return {on_device(points), on_device(order.div(each, "floor")).expand({batch, -1})};
}

TEST(KMeansPlusPlus, FindsSeparatedClusters) {
  torch::manual_seed(0);
  for (const uint64_t seed : {0, 1, 2, 3, 4}) {
    const auto [points, heap] = heaps(3, 6, 20);
    const auto clusters = kmeans_plusplus(points, 6, seed);
    for (int64_t b = 0; b < 3; ++b) {
      // The same partition: as many pairs (heap, cluster) as heaps.
      const auto pairs = std::get<0>(at::_unique(heap[b] * 6 + clusters[b]));
      EXPECT_EQ(pairs.numel(), 6) << "image " << b << ", seed " << seed;
    }
  }
}

TEST(KMeansPlusPlus, DependsOnTheSeedAloneAndNotOnTheRestOfTheBatch) {
  torch::manual_seed(0);
  const auto points = on_device(torch::randn({3, 200, 8}));
  const auto all = kmeans_plusplus(points, 7, 5);
  EXPECT_TRUE(torch::equal(all, kmeans_plusplus(points, 7, 5)));
  EXPECT_FALSE(torch::equal(all, kmeans_plusplus(points, 7, 6)));
  for (int64_t b = 0; b < 3; ++b)
    EXPECT_TRUE(torch::equal(kmeans_plusplus(points.slice(0, b, b + 1), 7, 5)[0], all[b])) << b;
}

TEST(KMeansPlusPlus, EndsWhereEveryPointIsNearestToTheMeanOfItsCluster) {
  torch::manual_seed(0);
  const auto points = on_device(torch::randn({1, 300, 4}));
  const auto clusters = kmeans_plusplus(points, 5, 0, 1000, 1e-12)[0];
  const auto members = torch::one_hot(clusters, 5).to(torch::kFloat);
  const auto means = members.t().matmul(points[0]) / members.sum(0).unsqueeze(1);
  EXPECT_TRUE(torch::equal(torch::cdist(points[0], means).argmin(1), clusters));
}

TEST(KMeansPlusPlus, ReseedsEmptyClustersAndAcceptsEqualPoints) {
  // Two far points among many equal ones: whatever the start, three clusters hold something in the
  // end.
  auto points = torch::zeros({1, 50, 2});
  points[0][7] = 100;
  points[0][9] = -100;
  points = on_device(points);
  for (const uint64_t seed : {0, 1, 2, 3}) {
    EXPECT_EQ(std::get<0>(at::_unique(kmeans_plusplus(points, 3, seed))).numel(), 3) << seed;
  }
  const auto same = kmeans_plusplus(on_device(torch::ones({2, 30, 4})), 4, 0);
  EXPECT_GE(same.min().item<int64_t>(), 0);
  EXPECT_LT(same.max().item<int64_t>(), 4);
}

int64_t products = 0, products_with_tf32 = 0;

/// Counts the matrix products of a thread, and those for which a GPU might use TF32.
std::unique_ptr<at::ObserverContext> count_products(const at::RecordFunction& function) {
  const std::string_view name = function.name();
  if (name == "aten::mm" || name == "aten::bmm" || name == "aten::addmm") {
    ++products;
    if (!at::NoTF32Guard::should_disable_tf32()) ++products_with_tf32;
  }
  return nullptr;
}

TEST(KMeans, AllowsNoTf32InItsDistances) {
  products = products_with_tf32 = 0;
  const auto callback = at::addThreadLocalCallback(at::RecordFunctionCallback(count_products));
  const ScopeExit remove([&] { at::removeCallback(callback); });
  const auto points = on_device(torch::rand({2, 30, 4}));
  kmeans_plusplus(points, 3, 0);
  const int64_t first = products;
  kmeans_random(points, 3, std::vector<uint64_t>{0, 1});
  EXPECT_GT(first, 0);
  EXPECT_GT(products, first);
  EXPECT_EQ(products_with_tf32, 0);
}

/// What fast-pytorch-kmeans 0.2.2 says of 60 made points from given starts, after some rounds. On
/// the CPU, as it was run: many points are as near to one centre as to another but for rounding.
TEST(KMeans, MeetsThePublicPackageAlsoWhereClustersAreEmptied) {
  const auto i = torch::arange(180).view({1, 60, 3});
  const auto points = (i * i * 7 + i * 13).remainder(101).to(torch::kFloat) / 10;
  const std::tuple<std::vector<int64_t>, int64_t, std::string> cases[] = {
      {{0, 1, 2, 3, 4}, 1, "012344421114333133131244433133421114212344443441433144403431"},
      {{0, 1, 2, 3, 4}, 100, "012344421114333133131014433133421114212341443241433144403331"},
      {{7, 7, 7, 20, 41}, 1, "030004403340000400303030400400403444030004400033400404400003"},
      {{7, 7, 7, 20, 41}, 2, "130004403340000300303140400400003344030044400043400404410003"},
      {{7, 7, 7, 20, 41}, 100, "131024213332010302303240410302013332131024221143410304210023"},
      {{5, 5, 5, 5, 5}, 2, "000000000000000000000100000000000000000000000000000100010000"},
      {{5, 5, 5, 5, 5}, 100, "212001021110000100101210100100001110012021200011100101020001"}};
  for (const auto& [starts, rounds, expected] : cases) {
    const auto clusters = lloyd(points, points.index_select(1, torch::tensor(starts)), rounds)[0];
    std::string text;
    for (int64_t n = 0; n < 60; ++n) text += static_cast<char>('0' + clusters[n].item<int64_t>());
    EXPECT_EQ(text, expected) << rounds << " rounds from " << starts[0];
  }
}

TEST(KMeans, EachImageHasItsOwnSeedAndNothingElseOfTheBatchMatters) {
  torch::manual_seed(0);
  const auto points = on_device(torch::randn({3, 200, 8}));
  const std::vector<uint64_t> seeds = {5, 5, 6};
  const auto all = kmeans_random(points, 7, seeds);
  EXPECT_TRUE(torch::equal(all, kmeans_random(points, 7, seeds)));
  const auto same = points.slice(0, 0, 1).expand({3, -1, -1}).contiguous();
  const auto alike = kmeans_random(same, 7, seeds);
  EXPECT_TRUE(torch::equal(alike[0], alike[1]));
  EXPECT_FALSE(torch::equal(alike[0], alike[2]));
  for (int64_t b = 0; b < 3; ++b) {
    EXPECT_TRUE(torch::equal(
        kmeans_random(points.slice(0, b, b + 1), 7, std::span(seeds).subspan(b, 1))[0], all[b]))
        << b;
  }
}

class DinoMasksOfBothKinds : public ::testing::TestWithParam<KmeansStart> {};

TEST_P(DinoMasksOfBothKinds, CoverEveryCropOnceOnTheMaskGrid) {
  const TempFolder folder;
  write_torch_file(folder / "dino.pth", to_value(tiny_dino()));
  ModelConfig config;
  config.dino_weights = (folder / "dino.pth").string();
  config.dino_clusters = 3;
  config.mask_resolution = {20, 12};
  config.dino_kmeans = GetParam();
  DinoMasks masks(config, testing::test_device());
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
  for (auto& sample : batch) sample.seed = 1;
  masks.add_masks(batch);
  for (const auto& sample : batch) {
    EXPECT_EQ(sample.mask_bits.sizes().vec(), (std::vector<int64_t>{3, 20, 2}));
    const auto unpacked = unpack_masks(sample.mask_bits, 12).cpu();
    EXPECT_TRUE(torch::equal(unpacked.sum(0), torch::ones({20, 12})));
  }
  EXPECT_TRUE(torch::equal(batch[0].mask_bits, batch[2].mask_bits));
  const auto map = unpack_masks(batch[0].mask_bits, 12).argmax(0);
  EXPECT_NE(map[10][1].item<int64_t>(), map[10][10].item<int64_t>());

  batch.resize(1);
  batch[0].file_name = "small.jpg";
  batch[0].image = image(4, 8);
  if (config.dino_kmeans == KmeansStart::plusplus) {
    EXPECT_ERROR(masks.add_masks(batch),
                 HasSubstr("small.jpg: its crop of 4×8 pixels has 2 patches"));
  } else {
    masks.add_masks(batch);  // drawn with replacement
    EXPECT_EQ(batch[0].mask_bits.size(0), 3);
  }
  batch[0].image = image(3, 8);
  EXPECT_ERROR(masks.add_masks(batch),
               HasSubstr("small.jpg: its crop of 3×8 pixels has 0 patches"));
}

INSTANTIATE_TEST_SUITE_P(, DinoMasksOfBothKinds,
                         ::testing::Values(KmeansStart::random, KmeansStart::plusplus),
                         [](const auto& info) { return to_string(info.param); });

TEST(DinoMasks, CoverTheFrameWhosePaddingHasClipsMean) {
  const TempFolder folder;
  write_torch_file(folder / "dino.pth", to_value(tiny_dino()));
  ModelConfig config;
  config.dino_weights = (folder / "dino.pth").string();
  config.dino_clusters = 3;
  config.mask_resolution = {16, 16};
  config.clip_pixel_mean = {120, 110, 100};
  DinoMasks masks(config, testing::test_device());
  torch::manual_seed(1);
  const auto picture = torch::randint(0, 256, {3, 20, 24}, torch::kUInt8);
  auto padded =
      torch::tensor({120, 110, 100}, torch::kUInt8).view({3, 1, 1}).expand({3, 32, 28}).clone();
  padded.slice(1, 0, 20).slice(2, 0, 24).copy_(picture);
  TrainBatch batch(2);
  batch[0].image = picture;
  batch[0].frame = {32, 28};
  batch[1].image = padded;
  masks.add_masks(batch);
  EXPECT_TRUE(torch::equal(batch[0].mask_bits, batch[1].mask_bits));
}

}  // namespace
}  // namespace pixelclip
