#include "inference/pixel_scores.hpp"

#include <torch/utils.h>

#include "clip/clip.hpp"
#include "inference/pamr.hpp"
#include "io/load_into.hpp"
#include "io/safetensors.hpp"
#include "modeling/dino.hpp"
#include "support/device.hpp"
#include "support/tensors.hpp"

namespace pixelclip {
namespace {
using testing::close;
using testing::on_device;
using torch::Tensor;

const std::vector<double> kMean = {122.771, 116.746, 104.094}, kStd = {68.501, 66.632, 70.323};

/// The golden CLIP, an image, six words of four classes, and what the public programs answer.
struct PublicPrograms {
  PublicPrograms() {
    const auto weights = read_safetensors(folder / "model.safetensors").tensors;
    clip = CLIP(clip_architecture(weights));
    load_into(*clip, weights);
    clip->eval();
    clip->to(testing::test_device());
    bank = {on_device(get("text.features")), {0, 0, 1, 2, 2, 3}, 0};
    test.background = {.mode = BackgroundMode::reject, .threshold = 0.3, .scale = 40, .words = ""};
    test.sliding_window.enabled = true;
  }
  Tensor get(const std::string& name) const { return expected.at(name); }
  DenseEncoder encoder(const DenseOptions& options,
                       std::shared_ptr<const DenseHelper> helper = nullptr) const {
    return {clip->visual,
            PixelStatistics(kMean, kStd, testing::test_device()),
            {},
            {options, std::move(helper)}};
  }
  PixelScores scores(const DenseEncoder& encoder) {
    input = encoder.input(get("in.picture"), 108, 165);
    return {encoder, input, 72, 110, bank.embeddings, test.sliding_window};
  }
  Tensor labels(const PixelScores& scores) const { return pixel_labels(scores, input, bank, test); }
  /// Pixels that may flip: their scores lie within 1e-4 of each other.
  static ::testing::AssertionResult differ_in_at_most(const Tensor& labels, const Tensor& expected,
                                                      int64_t pixels) {
    const int64_t wrong = labels.cpu().ne(expected.to(torch::kInt)).sum().item<int64_t>();
    if (wrong <= pixels) return ::testing::AssertionSuccess();
    return ::testing::AssertionFailure() << wrong << " pixels differ";
  }

  const testing::fs::path folder = testing::shared_folder() / "golden/dense";
  const StateDict expected = read_safetensors(folder / "expected.safetensors").tensors;
  torch::NoGradGuard no_grad;
  CLIP clip{nullptr};
  ClassBank bank;
  TestConfig test;
  Tensor input;
};

TEST(PixelScores, MeetNaclipsWindowsThresholdAndPamr) {
  SKIP_WITHOUT_SHARED();
  PublicPrograms golden;
  golden.test.sliding_window.size = {96, 96};
  golden.test.sliding_window.stride = {48, 48};
  const auto scores = golden.scores(golden.encoder({.method = DenseMethod::naclip}));
  EXPECT_TRUE(close(scores.resized_rows(0, 108), golden.get("naclip.slide.logits")[0],
                    testing::within(1e-5)));
  EXPECT_TRUE(close(scores.rows(0, 72), golden.get("naclip.logits")[0], testing::within(1e-5)));
  EXPECT_TRUE(close(scores.rows(31, 40), golden.get("naclip.logits")[0].slice(1, 31, 40),
                    testing::within(1e-5)));
  EXPECT_TRUE(golden.differ_in_at_most(golden.labels(scores), golden.get("naclip.labels"), 10));

  golden.test.refine = Refinement::pamr;
  golden.test.pamr.dilations = {8, 16};
  EXPECT_TRUE(close(refine_pamr(on_device(golden.get("naclip.logits")[0]),
                                on_device(golden.get("pamr.image")[0]), golden.test.pamr),
                    golden.get("pamr.out")[0], testing::within(1e-5)));
  EXPECT_TRUE(golden.differ_in_at_most(golden.labels(scores), golden.get("naclip_pamr.labels"), 9));
}

TEST(PixelScores, MeetNaclipOnTheWholeImage) {
  SKIP_WITHOUT_SHARED();
  PublicPrograms golden;
  golden.test.sliding_window.enabled = false;
  const auto scores = golden.scores(golden.encoder({.method = DenseMethod::naclip}));
  EXPECT_TRUE(
      golden.differ_in_at_most(golden.labels(scores), golden.get("naclip_whole.labels"), 10));
}

TEST(PixelScores, MeetProxyclipsPaddedWindowsWithItsDino) {
  SKIP_WITHOUT_SHARED();
  PublicPrograms golden;
  golden.test.sliding_window = {.enabled = true, .size = {112, 112}, .stride = {56, 56}, .pad = 56};
  const auto helper = std::make_shared<DinoHelper>((golden.folder / "dino8.safetensors").string(),
                                                   testing::test_device(), kMean, kStd);
  const auto scores = golden.scores(golden.encoder({.method = DenseMethod::proxyclip}, helper));
  EXPECT_TRUE(close(scores.rows(0, 72), golden.get("proxyclip.logits")[0], testing::within(1e-5)));
  EXPECT_TRUE(golden.differ_in_at_most(golden.labels(scores), golden.get("proxyclip.labels"), 19));
}

/// A small ViT with random weights that sees 64×64, and an image of 48×80.
struct SmallScores {
  explicit SmallScores(SlidingWindowConfig windows = {}) {
    torch::manual_seed(5);
    ClipArchitecture architecture;
    architecture.vit =
        VitOptions{.width = 64, .layers = 2, .patch = 16, .grid = 4, .embedding = 32};
    const auto vit = make_image_encoder(architecture);
    vit->to(testing::test_device());
    encoder.emplace(vit, PixelStatistics(kMean, kStd, testing::test_device()));
    input = on_device(torch::randn({1, 3, 48, 80}));
    bank.embeddings = on_device(torch::randn({5, 32}));
    bank.embeddings = bank.embeddings / bank.embeddings.norm(2, -1, true);
    bank.owner = {0, 1, 1, 2, 3};
    bank.background = 0;
    scores.emplace(*encoder, input, 60, 100, bank.embeddings, windows);
  }
  Tensor labels(const TestConfig& test) const { return pixel_labels(*scores, input, bank, test); }
  torch::NoGradGuard no_grad;
  std::optional<DenseEncoder> encoder;
  Tensor input;
  ClassBank bank;
  std::optional<PixelScores> scores;
};

TEST(PixelScores, LabelTheClassOfTheBestWordOfEachPixel) {
  const SmallScores small;
  const auto words = small.scores->rows(0, 60).argmax(0);
  const auto owner = on_device(torch::tensor(small.bank.owner, torch::kInt));
  const auto labels = small.labels({});
  EXPECT_EQ(labels.sizes().vec(), (std::vector<int64_t>{60, 100}));
  EXPECT_TRUE(torch::equal(labels, owner.index_select(0, words.flatten()).view({60, 100})));
}

TEST(PixelScores, RejectPixelsWhoseClassIsNotProbableEnough) {
  const SmallScores small;
  TestConfig test;
  test.background = {.mode = BackgroundMode::reject, .threshold = 0, .scale = 40, .words = ""};
  const auto open = small.labels(test);
  const auto best = std::get<0>((small.scores->rows(0, 60) * 40).softmax(0).max(0));
  test.background.threshold = (best.min() + best.max()).item<double>() / 2;
  const auto expected = open.masked_fill(best.lt(test.background.threshold), 0);
  const auto wrong = small.labels(test).ne(expected).sum().item<int64_t>();
  EXPECT_LE(wrong, 2) << "only pixels at the threshold";
  ASSERT_GT(open.ne(expected).sum().item<int64_t>(), 0);
}

TEST(PixelScores, LeaveOutClassesThatWinTooSmallAnArea) {
  const SmallScores small;
  TestConfig test;
  test.background = {.mode = BackgroundMode::reject, .threshold = 0, .scale = 40, .words = ""};
  auto counts = torch::bincount(small.labels(test).flatten(), {}, 4);
  counts[0] = 0;
  const auto share = counts.to(torch::kDouble) / counts.sum();
  const int64_t largest = share.argmax().item<int64_t>();
  test.background.area = share[largest].item<double>() - 1e-9;
  for (const int32_t label : {1, 2, 3}) {
    const bool stays = small.labels(test).eq(label).any().item<bool>();
    EXPECT_EQ(stays, label == largest) << label;
  }
}

TEST(PixelScores, CoverTheImageWithWindowsOfAnySizeAlsoLargerThanIt) {
  const SmallScores whole;
  const SmallScores larger({.enabled = true, .size = {500, 500}, .stride = {100, 100}});
  EXPECT_TRUE(close(larger.scores->rows(0, 60), whole.scores->rows(0, 60), 1e-6));
  const SmallScores windows({.enabled = true, .size = {33, 40}, .stride = {20, 17}, .pad = 48});
  EXPECT_TRUE(torch::isfinite(windows.scores->rows(0, 60)).all().item<bool>());
}

}  // namespace
}  // namespace pixelclip
