#include "inference/class_scorer.hpp"

#include <torch/utils.h>

#include "inference/pamr.hpp"
#include "support/device.hpp"
#include "support/tensors.hpp"

namespace pixelclip {
namespace {

using testing::close;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::on_device;
using torch::Tensor;

/// A small model with random weights whose encoder sees 64×64.
struct Small {
  explicit Small(std::vector<std::string> overrides = {}) {
    torch::manual_seed(5);
    overrides.insert(overrides.end(),
                     {"MODEL.CLIP_RESOLUTION", "(64, 64)", "MODEL.SEM_SEG_HEAD.NUM_CLASSES", "2"});
    config = load_config("", overrides);
    ClipArchitecture architecture;
    architecture.vit =
        VitOptions{.width = 64, .layers = 2, .patch = 16, .grid = 2, .embedding = 32};
    architecture.text = {
        .width = 64, .layers = 1, .heads = 1, .context = 16, .vocabulary = 49408, .embedding = 32};
    model = PixelCLIP(config.model, architecture);
    model->eval();
    model->to(testing::test_device());
    for (int i = 0; i < 3; ++i)
      images.push_back(torch::randint(0, 256, {3, 70 + i, 90}, torch::kByte));
    const auto rows = on_device(torch::randn({5, 32}));
    bank = one_row_a_class(rows / rows.norm(2, -1, true));
  }

  std::vector<Tensor> scores(const std::vector<std::vector<View>>& pictures) {
    return ClassScorer(model, config.model, config.test)(pictures, bank);
  }
  Tensor score(const View& view) { return scores({{view}}).front(); }
  /// PixelCLIP §3.4 step by step.
  Tensor cosines(const Tensor& image) {
    const torch::NoGradGuard no_grad;
    const auto channels = [](const std::vector<double>& values) {
      return on_device(torch::tensor(values, torch::kFloat)).view({3, 1, 1});
    };
    const auto normalised =
        (on_device(image).to(torch::kFloat) - channels(config.model.clip_pixel_mean)) /
        channels(config.model.clip_pixel_std);
    const auto resized = at::upsample_bilinear2d(normalised.unsqueeze(0), {64, 64}, false);
    const auto features = model->clip()->visual->dense(resized).permute({0, 3, 1, 2});
    const auto grid = at::upsample_bilinear2d(features, {64, 64}, false)[0];  // [C, 64, 64]
    return torch::einsum("nc,chw->nhw", {bank.embeddings, grid / grid.norm(2, 0, true)});
  }
  std::string rejection() {
    try {
      ClassScorer(model, config.model, config.test);
    } catch (const Error& e) {
      return e.what();
    }
    return "";
  }

  Config config;
  PixelCLIP model{nullptr};
  std::vector<Tensor> images;
  ClassBank bank;
};

TEST(ClassScorer, ItsDefaultIsTheCosineOnFeaturesResizedToTheGrid) {
  Small small;
  EXPECT_TRUE(
      close(small.score({small.images[0], {64, 64}}), small.cosines(small.images[0]), 1e-5));
}

TEST(ClassScorer, ABatchGivesWhatItsPicturesGiveAlone) {
  Small small({"TEST.BATCH_SIZE", "2"});
  std::vector<std::vector<View>> pictures;
  for (const auto& image : small.images) pictures.push_back({{image, {64, 64}}});
  const auto together = small.scores(pictures);
  for (size_t i = 0; i < pictures.size(); ++i)
    EXPECT_TRUE(testing::same(together[i], small.scores({pictures[i]})[0]));
}

TEST(ClassScorer, AMirroredViewGivesTheScoresOfTheMirroredPictureMirroredBack) {
  Small small;
  const auto flipped = small.score({small.images[0], {64, 64}, true});
  EXPECT_TRUE(close(flipped, small.score({small.images[0].flip(2), {64, 64}}).flip(2), 1e-5));
  const auto mean =
      small.scores({{{small.images[0], {64, 64}}, {small.images[0], {64, 64}, true}}})[0];
  EXPECT_TRUE(close(mean, (flipped + small.score({small.images[0], {64, 64}})) / 2, 1e-5));
}

TEST(ClassScorer, AKeptShapeShowsInTheGridOfTheScores) {
  Small small({"TEST.KEEP_ASPECT", "True"});
  EXPECT_THAT(small.score({small.images[0], {64, 96}}).sizes().vec(), ElementsAre(5, 64, 96));
  Small mmseg({"TEST.RULE", "mmseg"});
  EXPECT_THAT(mmseg.score({small.images[0], {128, 64}}).sizes().vec(), ElementsAre(5, 128, 64));
}

TEST(SlidingWindow, WindowsSideBySideAreEncodedApart) {
  Small small({"TEST.SLIDING_WINDOW.ENABLED", "True", "TEST.SLIDING_WINDOW.SIZE", "(64, 64)",
               "TEST.SLIDING_WINDOW.STRIDE", "(64, 64)"});
  const auto image = torch::randint(0, 256, {3, 64, 128}, torch::kByte);
  const auto whole = small.score({image, {64, 128}});
  EXPECT_THAT(whole.sizes().vec(), ElementsAre(5, 4, 8));
  for (const int64_t left : {0, 64}) {
    const auto part = small.score({image.slice(2, left, left + 64).contiguous(), {64, 64}});
    EXPECT_TRUE(close(whole.slice(2, left / 16, left / 16 + 4), part, 1e-5));
  }
}

TEST(SlidingWindow, OverlapsAreAveragedAndTheEndIsCovered) {
  const std::vector<std::string> keys = {"TEST.SLIDING_WINDOW.ENABLED", "True",
                                         "TEST.SLIDING_WINDOW.SIZE",    "(64, 64)",
                                         "TEST.SLIDING_WINDOW.STRIDE",  "(64, 32)"};
  Small small(keys);
  const auto image = torch::randint(0, 256, {3, 64, 96}, torch::kByte);
  const auto whole = small.score({image, {64, 96}});
  const auto left = small.score({image.slice(2, 0, 64).contiguous(), {64, 64}});
  const auto right = small.score({image.slice(2, 32, 96).contiguous(), {64, 64}});
  EXPECT_TRUE(close(whole.slice(2, 2, 4), (left.slice(2, 2, 4) + right.slice(2, 0, 2)) / 2, 1e-5));
  auto features = keys;
  features.insert(features.end(), {"TEST.SLIDING_WINDOW.AVERAGE", "features"});
  Small of_features(features);
  const auto other = of_features.score({image, {64, 96}});
  EXPECT_TRUE(close(other.slice(2, 0, 2), whole.slice(2, 0, 2), 1e-5)) << "one window alone";
  EXPECT_FALSE(close(other.slice(2, 2, 4), whole.slice(2, 2, 4), 1e-3))
      << "means of features are normalised again";
}

TEST(SlidingWindow, APictureSmallerThanAWindowIsEnlarged) {
  Small small({"TEST.SLIDING_WINDOW.ENABLED", "True", "TEST.SLIDING_WINDOW.SIZE", "(64, 64)",
               "TEST.SLIDING_WINDOW.STRIDE", "(64, 64)"});
  EXPECT_THAT(small.score({small.images[0], {32, 32}}).sizes().vec(), ElementsAre(5, 4, 4));
}

TEST(SlidingWindow, LengthsOffTheEncodersGridAreRefused) {
  Small small({"TEST.SLIDING_WINDOW.ENABLED", "True", "TEST.SLIDING_WINDOW.STRIDE", "(100, 160)"});
  EXPECT_THAT(small.rejection(), HasSubstr("length 100"));
}

TEST(ClassBank, RowsFollowSynonymsAndBackgroundWords) {
  Small small;
  std::vector<std::string> asked;
  const auto embed = [&](const std::vector<std::string>& names) {
    asked = names;
    return torch::ones({static_cast<int64_t>(names.size()), 4});
  };
  const std::vector<std::string> names = {"cat, kitten", "dog", "background"};
  EXPECT_THAT(class_bank(names, small.config.test, embed).owner, ElementsAre(0, 1, 2));
  EXPECT_EQ(asked, names) << "synonyms are averaged by the text encoder";
  small.config.test.synonyms = SynonymScore::max;
  const ClassBank bank = class_bank(names, small.config.test, embed);
  EXPECT_THAT(asked, ElementsAre("cat", "kitten", "dog", "background"));
  EXPECT_THAT(bank.owner, ElementsAre(0, 0, 1, 2));
  EXPECT_EQ(bank.background, 2);
  EXPECT_EQ(bank.classes(), 3);
  small.config.test.background.mode = BackgroundMode::words;
  EXPECT_GT(class_bank(names, small.config.test, embed).owner.size(), 20u);
  EXPECT_EQ(asked.back(), "sign");
}

TEST(ClassBank, TheBestRowSpeaksForItsClass) {
  const auto scores = on_device(torch::tensor({{1.f, -5.f}, {3.f, -6.f}, {2.f, 0.f}}));
  EXPECT_TRUE(torch::equal(best_of_rows(scores, {0, 0, 1}).cpu(),
                           torch::tensor({{3.f, -5.f}, {2.f, 0.f}})));
}

TEST(Background, WinsExactlyWhereNoProbabilityReachesTheThreshold) {
  Small small({"TEST.BACKGROUND.MODE", "threshold", "TEST.BACKGROUND.SCALE", "8"});
  small.bank.background = 4;
  const auto cosines = small.cosines(small.images[0]).slice(0, 0, 4);
  const auto probabilities = (cosines * small.config.test.background.scale).softmax(0);
  const auto surest = std::get<0>(probabilities.max(0));
  small.config.test.background.threshold = (surest.min() + surest.max()).item<double>() / 2;
  const auto unsure = surest < small.config.test.background.threshold;
  ASSERT_GT(unsure.sum().item<int64_t>(), 0);
  ASSERT_LT(unsure.sum().item<int64_t>(), 4096);
  const auto scores = small.score({small.images[0], {64, 64}});
  EXPECT_GE(((scores.argmax(0) == 4) == unsure).to(torch::kDouble).mean().item<double>(), 0.999);
  EXPECT_TRUE(close(scores.slice(0, 0, 4), probabilities, 1e-3));
}

TEST(Background, SetsWithoutSuchAClassStayAsTheyAre) {
  Small small({"TEST.BACKGROUND.MODE", "threshold"});
  EXPECT_TRUE(
      close(small.score({small.images[0], {64, 64}}), small.cosines(small.images[0]), 1e-5));
}

TEST(Pamr, MovesOutlinesToThoseOfThePicture) {
  auto image = torch::zeros({3, 32, 32});
  image.slice(2, 16) = 1;  // an edge in the middle
  auto masks = torch::zeros({2, 32, 32});
  masks[0].slice(1, 0, 13) = 1;  // three pixels too far left
  masks[1] = 1 - masks[0];
  const auto refined = refine_pamr(on_device(masks), on_device(image), PamrConfig());
  EXPECT_TRUE(close(refined.sum(0), torch::ones({32, 32}), 1e-4)) << "shares still add to 1";
  const auto labels = refined.argmax(0).cpu();
  EXPECT_TRUE(torch::equal(labels.slice(1, 0, 15), torch::zeros({32, 15}, torch::kLong)));
  EXPECT_TRUE(torch::equal(labels.slice(1, 17), torch::ones({32, 15}, torch::kLong)));
}

TEST(Pamr, RefinesScoresAtTheEncodersResolution) {
  Small small({"TEST.REFINE", "pamr", "TEST.PAMR.ITERATIONS", "2"});
  const auto scores = small.score({small.images[0], {64, 64}});
  EXPECT_THAT(scores.sizes().vec(), ElementsAre(5, 64, 64));
  EXPECT_TRUE(close(scores.sum(0), torch::ones({64, 64}), 1e-4));
}

TEST(Bfloat16, ScoresStayClose) {
  Small small;
  const auto exact = small.score({small.images[0], {64, 64}});
  small.config.model.precision = FloatType::bfloat16;
  const auto low = small.score({small.images[0], {64, 64}});
  EXPECT_FALSE(torch::equal(low, exact));
  EXPECT_TRUE(close(low, exact, 0, 0.03));
}

}  // namespace
}  // namespace pixelclip
