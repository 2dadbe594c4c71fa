#include "engine/tuning.hpp"

#include <torch/utils.h>

#include <nlohmann/json.hpp>

#include "base/file.hpp"
#include "data/catalog.hpp"
#include "engine/comparison.hpp"
#include "engine/model_factory.hpp"
#include "engine/protocol.hpp"
#include "engine/scoring.hpp"
#include "engine/tuning_axes.hpp"
#include "engine/tuning_report.hpp"
#include "modeling/dense_recipe.hpp"
#include "support/small_world.hpp"
#include "support/tensors.hpp"
#include "support/tiny_dino.hpp"

namespace pixelclip {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using testing::TempFolder;

constexpr int kImages = 12;

/// A demo world of a few small scenes with a CLIP that was trained for a moment.
class SmallWorld : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (!testing::have_tokenizer()) return;
    root_ = new TempFolder();
    auto world = testing::kSmallWorld;
    world.validation = kImages;
    world.scene_side = 48;
    make_demo_world(*root_ / "demo", world);
    auto clip = testing::kSmallClip;
    clip.side = 32;
    clip.iterations = 20;
    make_demo_clip(*root_ / "demo", clip);
    testing::write_tiny_dino(*root_ / "dino.pth");
  }
  static void TearDownTestSuite() {
    delete root_;
    root_ = nullptr;
  }
  void SetUp() override {
    if (!root_) GTEST_SKIP() << "no BPE merges here";
  }

  static std::string config_file() {
    return std::string(PIXELCLIP_SOURCE_DIR) + "/configs/demo.yaml";
  }
  Config config(const std::vector<std::string>& more = {}) const {
    std::vector<std::string> overrides = {"DATASETS.ROOT",
                                          root_->path(),
                                          "MODEL.WEIGHTS",
                                          *root_ / "demo/clip.pth",
                                          "MODEL.CLIP_RESOLUTION",
                                          "(48, 48)",
                                          "INPUT.MIN_SIZE_TEST",
                                          "48",
                                          "OUTPUT_DIR",
                                          out_ / "run"};
    overrides.insert(overrides.end(), more.begin(), more.end());
    return load_config(config_file(), overrides);
  }

  static inline TempFolder* root_ = nullptr;
  const TempFolder out_;
  Comm comm_;
};

/// The score of a configuration on the images that `among` accepts, without any of the search.
double score_alone(const Config& config, const SemSegSet::Accepts& among) {
  Comm comm;
  auto model = build_model(config.model, torch::kCPU);
  model->eval();
  const Catalog catalog(config.datasets);
  auto scoring =
      prepare_scoring(model, config, protocol_plan(config), catalog.find("demo_val"), comm,
                      dense_recipe(config.model, torch::kCPU), weights_checksum(model));
  scoring.options.among = among;
  const BatchScoreFunction score = [&](const std::vector<Image>& images) {
    return scoring.score(scoring.views(images));
  };
  return headline(evaluate(catalog.find("demo_val"), score, scoring.options));
}

TEST_F(SmallWorld, EachMethodOfACompareEqualsItsOwnEvaluation) {
  const std::vector<std::string> methods = {"pixelclip", "vanilla", "maskclip", "sclip",
                                            "clearclip", "naclip",  "kk",       "proxyclip"};
  const auto compared = config({"MODEL.DENSE.HELPER_WEIGHTS", *root_ / "dino.pth"});
  const auto report = compare(compared, {.methods = methods}, comm_);
  ASSERT_THAT(report.sets, SizeIs(1));
  EXPECT_EQ(report.sets[0].comparison.results[0].scored, kImages);
  for (size_t m = 0; m < methods.size(); ++m) {
    auto alone = compared;
    alone.model.dense.method = dense_method(methods[m]);
    EXPECT_DOUBLE_EQ(headline(report.sets[0].comparison.results[m]), score_alone(alone, {}))
        << methods[m];
  }
  write_comparison(out_ / "run", report);
  EXPECT_THAT(read_json(out_ / "run/results.json")["ways"], SizeIs(methods.size()));
  const auto page = read_text(out_ / "run/report.html");
  EXPECT_THAT(page, HasSubstr("disagreement on "));
  EXPECT_THAT(page, HasSubstr("proxyclip, "));
  EXPECT_THAT(page, HasSubstr(" % right"));
}

TEST_F(SmallWorld, ACompareThatGoesOnScoresOnlyTheNewWays) {
  const auto first = compare(config(), {.methods = {"vanilla", "naclip"}, .contested = 0}, comm_);
  const auto more = compare(config(), {.methods = {"vanilla", "kk", "naclip"}}, comm_);
  const auto& results = more.sets[0].comparison.results;
  EXPECT_EQ(results[0].confusion.counts(), first.sets[0].comparison.results[0].confusion.counts());
  EXPECT_EQ(results[2].confusion.counts(), first.sets[0].comparison.results[1].confusion.counts());
  EXPECT_DOUBLE_EQ(headline(results[1]), score_alone(config({"MODEL.DENSE.METHOD", "kk"}), {}));
}

TEST_F(SmallWorld, ASearchNeverSeesTheImagesThatItReportsOn) {
  const TuningPlan plan{.set = "demo_val", .keys = {"method", "form", "views"}, .rounds = 1};
  const auto result = tune(config(), plan, comm_);
  EXPECT_EQ(result.searched + result.held_out, kImages);
  EXPECT_EQ(result.rest.sets[0].comparison.results[0].scored, result.held_out);
  const auto searched = [](const SemSegItem& item) { return is_searched(item.stem); };
  const auto held_out = [](const SemSegItem& item) { return !is_searched(item.stem); };
  EXPECT_DOUBLE_EQ(result.search_before, score_alone(config(), searched));
  EXPECT_DOUBLE_EQ(result.search_after, score_alone(result.tuned, searched));
  EXPECT_DOUBLE_EQ(result.rest_before(), score_alone(config(), held_out));
  EXPECT_DOUBLE_EQ(result.rest_after(), score_alone(result.tuned, held_out));
  double best = result.search_before;
  for (const TuningTrial& trial : result.trials) best = std::max(best, trial.score);
  EXPECT_DOUBLE_EQ(result.search_after, best) << "the best trial is the outcome";
  ASSERT_GT(result.search_after, result.search_before) << "nothing to see below";
  for (const TuningTrial& trial : result.trials)
    EXPECT_EQ(trial.axis == "start", trial.keys.empty()) << trial.axis;
}

TEST_F(SmallWorld, TheOutcomeIsAFileForEvalWhoseFingerprintStatesTheSearch) {
  const TuningPlan plan{.set = "demo_val", .keys = {"method", "templates"}, .rounds = 1};
  const auto result = tune(config(), plan, comm_);
  ASSERT_GT(result.rest.ways.size(), 1u);
  write_tuning(out_ / "run", config_file(), result);
  auto again =
      load_config(out_ / "run/tuned.yaml", {"DATASETS.ROOT", root_->path(), "MODEL.WEIGHTS",
                                            *root_ / "demo/clip.pth", "OUTPUT_DIR", out_ / "eval"});
  EXPECT_EQ(protocol_text(again, protocol_plan(again).templates),
            protocol_text(result.tuned, protocol_plan(result.tuned).templates));
  EXPECT_THAT(again.test.tuned_on, HasSubstr(str("demo_val: ", result.searched, " of 12 images")));
  EXPECT_THAT(again.test.tuned_on, HasSubstr("by method, templates"));
  auto silent = again;
  silent.test.tuned_on.clear();
  EXPECT_NE(protocol_text(again, {"{}"}), protocol_text(silent, {"{}"}));
  EXPECT_EQ(again.test.protocol, std::vector<std::string>{"demo_val"});

  auto model = build_model(again.model, torch::kCPU);
  const auto scored =
      score_sets(model, again, protocol_plan(again), comm_, again.output_dir, true).front();
  EXPECT_EQ(scored.note, "images of this set chose the configuration");
  EXPECT_THAT(results_table({scored}), HasSubstr("images of this set chose"));

  const auto json = read_json(out_ / "run/tuning.json");
  EXPECT_DOUBLE_EQ(json["rest"]["gain"], result.rest_after() - result.rest_before());
  EXPECT_THAT(json["trials"], SizeIs(result.trials.size()));
  EXPECT_THAT(read_text(out_ / "run/tuning.md"), HasSubstr("**kept**"));
  EXPECT_THAT(read_text(out_ / "run/tuned.yaml"), HasSubstr(outcome(result)));
}

TEST_F(SmallWorld, ASearchThatGoesOnReadsNoImageAgain) {
  const TuningPlan plan{.set = "demo_val", .keys = {"method"}, .rounds = 1};
  const auto first = tune(config(), plan, comm_);
  const TempFolder copy;
  fs::copy(root_->path(), copy.path(), fs::copy_options::recursive);
  for (const auto& file : fs::directory_iterator(copy / "demo/images/validation")) {
    if (is_searched(file.path().stem().string())) write_text(file.path(), "no image");
  }
  const auto again = tune(config({"DATASETS.ROOT", copy.path()}), plan, comm_);
  EXPECT_EQ(again.search_after, first.search_after);
  EXPECT_EQ(again.rest_after(), first.rest_after());
}

TEST_F(SmallWorld, ChoicesThatCannotBeScoredAreNamedAndLeftOut) {
  const auto start = config({"TEST.SCORES", "pixels", "TEST.AUG.ENABLED", "False"});
  const TuningPlan plan{.set = "demo_val", .images = 6, .keys = {"views", "pamr"}, .rounds = 1};
  const auto result = tune(start, plan, comm_);
  EXPECT_EQ(result.searched + result.held_out, 6);
  for (const TuningTrial& trial : result.trials) EXPECT_THAT(trial.refusal, IsEmpty());
  // Windows of 48 pixels do not fall on the helper's grid.
  testing::write_tiny_dino(out_ / "dino5.pth", /*patch=*/5);
  const auto refused = tune(
      config({"MODEL.DENSE.METHOD", "proxyclip", "MODEL.DENSE.HELPER_WEIGHTS", out_ / "dino5.pth"}),
      {.set = "demo_val", .keys = {"views"}, .rounds = 1}, comm_);
  int refusals = 0;
  for (const TuningTrial& trial : refused.trials)
    refusals += trial.refusal.find("must be multiples of this encoder's 5") != std::string::npos;
  EXPECT_EQ(refusals, 2) << "both sizes of windows";
}

TEST_F(SmallWorld, SaysInOneSentenceWhyItCannotSearch) {
  const auto search = [&](const TuningPlan& plan) { tune(config(), plan, comm_); };
  EXPECT_ERROR(search({.set = "demo_val", .keys = {"metod"}}), HasSubstr("did you mean method"));
  EXPECT_ERROR(search({.set = "demo_vall"}), HasSubstr("demo_val"));
  EXPECT_ERROR(search({.set = "demo_train"}), HasSubstr("has no class labels"));
  EXPECT_ERROR(search({.set = "ade20k_150_test_sem_seg"}), HasSubstr("ADEChallengeData2016"));
  EXPECT_ERROR(search({.set = "demo_val", .images = 1}), HasSubstr("use more images"));
  EXPECT_ERROR(search({.set = "demo_val", .keys = {"background"}}),
               HasSubstr("none of these keys changes anything"));
  ClipArchitecture convnext;
  convnext.convnext.emplace();
  EXPECT_ERROR(tuning_axes(config(), convnext, {"a"}, {"method"}),
               HasSubstr("ConvNeXt, which has none"));
}

TEST(TuningAxes, AreThoseThatMatterForTheSet) {
  ClipArchitecture vit;
  vit.vit.emplace();
  const auto names = [&](const Config& config, const std::vector<std::string>& classes) {
    std::string all;
    for (const auto& axis : tuning_axes(config, vit, classes, {})) all += axis.name + ' ';
    return all;
  };
  const Config plain;
  EXPECT_THAT(names(plain, {"a", "b"}), ::testing::Not(HasSubstr("synonyms")));
  EXPECT_THAT(names(plain, {"a, c", "b"}), HasSubstr("synonyms"));
  EXPECT_THAT(names(plain, {"a", "b"}), ::testing::Not(HasSubstr("background")));
  EXPECT_THAT(names(plain, {"a", "background"}), HasSubstr("background"));
}

}  // namespace
}  // namespace pixelclip
