#include "evaluation/confusion.hpp"

#include <cmath>
#include <limits>
#include <set>

#include "base/random.hpp"
#include "evaluation/report.hpp"
#include "support/support.hpp"

namespace pixelclip {
namespace {

using ::testing::DoubleNear;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::NanSensitiveDoubleNear;

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

::testing::Matcher<double> is(double value) { return NanSensitiveDoubleNear(value, 1e-12); }

/// Rows are predictions, columns truth; the last column is ignored truth.
Confusion confusion(std::vector<std::vector<int64_t>> rows) {
  Confusion result(static_cast<int>(rows.size()));
  for (size_t p = 0; p < rows.size(); ++p) {
    for (size_t t = 0; t < rows[p].size(); ++t)
      result.counts()[p * (rows.size() + 1) + t] = rows[p][t];
  }
  return result;
}

// Class 2 is never true. It is predicted on two pixels of class 1 and on nine ignored ones.
const Confusion absent_but_predicted = confusion({{4, 1, 0, 5}, {2, 3, 0, 0}, {0, 2, 0, 9}});
// Class 2 is neither true nor predicted where it counts.
const Confusion absent = confusion({{4, 1, 0, 5}, {2, 3, 0, 0}, {0, 0, 0, 9}});

TEST(Confusion, Detectron2LeavesOutClassesWithoutTruePixels) {
  const ClassScores scores = class_scores(absent_but_predicted, ScoreRule::detectron2);
  EXPECT_THAT(scores.iou, ElementsAre(is(4.0 / 7), is(3.0 / 8), is(nan)));
  EXPECT_THAT(scores.accuracy, ElementsAre(is(4.0 / 6), is(0.5), is(nan)));
  EXPECT_THAT(scores.mean_iou, is((4.0 / 7 + 3.0 / 8) / 2));
  EXPECT_THAT(scores.frequency_iou, is(0.5 * 4 / 7 + 0.5 * 3 / 8));
  EXPECT_THAT(scores.mean_accuracy, is((4.0 / 6 + 0.5) / 2));
  EXPECT_THAT(scores.pixel_accuracy, is(7.0 / 12));
}

TEST(Confusion, CityscapesAndMmsegCountAPredictedAbsentClassAsZero) {
  for (const ScoreRule rule : {ScoreRule::cityscapes, ScoreRule::mmseg}) {
    const ClassScores scores = class_scores(absent_but_predicted, rule);
    EXPECT_THAT(scores.iou, ElementsAre(is(4.0 / 7), is(3.0 / 8), is(0)));
    EXPECT_THAT(scores.mean_iou, is((4.0 / 7 + 3.0 / 8) / 3));
    EXPECT_THAT(scores.mean_accuracy, is((4.0 / 6 + 0.5) / 2));
    EXPECT_THAT(scores.pixel_accuracy, is(7.0 / 12));
  }
}

TEST(Confusion, EveryRuleLeavesOutAClassThatIsNeitherTrueNorPredicted) {
  for (const ScoreRule rule : {ScoreRule::detectron2, ScoreRule::cityscapes, ScoreRule::mmseg}) {
    const ClassScores scores = class_scores(absent, rule);
    EXPECT_THAT(scores.iou, ElementsAre(is(4.0 / 7), is(3.0 / 6), is(nan)));
    EXPECT_THAT(scores.mean_iou, is((4.0 / 7 + 3.0 / 6) / 2));
  }
}

TEST(Confusion, WithoutAnyTruePixelEveryScoreIsUndefined) {
  const ClassScores scores = class_scores(confusion({{0, 0, 7}, {0, 0, 2}}), ScoreRule::detectron2);
  EXPECT_THAT(scores.iou, ElementsAre(is(nan), is(nan)));
  EXPECT_TRUE(std::isnan(scores.mean_iou));
  EXPECT_TRUE(std::isnan(scores.frequency_iou));
  EXPECT_TRUE(std::isnan(scores.mean_accuracy));
  EXPECT_TRUE(std::isnan(scores.pixel_accuracy));
}

TEST(Confusion, CountsPredictionsByRowsAndIgnoredTruthInTheLastColumn) {
  Confusion counts(2);
  counts.add({2, 3, {0, 0, 1, 1, 1, 0}}, {2, 3, {0, 1, 1, 1, 255, 255}}, 255);
  EXPECT_THAT(counts.counts(), ElementsAre(1, 1, 1, 0, 2, 1, 0, 0, 0));
  counts.add(counts);
  EXPECT_EQ(counts.at(1, 1), 4);
}

TEST(Confusion, IdsBeyondTheClassesAndSizesThatDifferAreRefused) {
  Confusion counts(2);
  EXPECT_ERROR(counts.add({1, 1, {2}}, {1, 1, {0}}, 255), HasSubstr("predicted id is 2"));
  EXPECT_ERROR(counts.add({1, 1, {0}}, {1, 1, {2}}, 255), HasSubstr("true id is 2"));
  EXPECT_ERROR(counts.add({1, 1, {-1}}, {1, 1, {0}}, 255), HasSubstr("predicted id is -1"));
  EXPECT_ERROR(counts.add({1, 2, {0, 0}}, {2, 1, {0, 0}}, 255), HasSubstr("2×1"));
  EXPECT_ERROR(counts.add(Confusion(3)), HasSubstr("2 and 3 classes"));
}

TEST(Confusion, TheOrderOfImagesDoesNotMatter) {
  Random random(1);
  std::vector<LabelMap> predicted, truth;
  for (int i = 0; i < 6; ++i) {
    predicted.push_back({5, 7, std::vector<int32_t>(35)});
    truth.push_back(predicted.back());
    for (int32_t& id : predicted.back().ids) id = random.integer(0, 4);
    for (int32_t& id : truth.back().ids) id = random.chance(0.2) ? 255 : random.integer(0, 4);
  }
  Confusion forward(4), backward(4), half(4);
  for (int i = 0; i < 6; ++i) forward.add(predicted[i], truth[i], 255);
  for (int i = 5; i >= 3; --i) backward.add(predicted[i], truth[i], 255);
  for (int i = 0; i < 3; ++i) half.add(predicted[i], truth[i], 255);
  backward.add(half);
  EXPECT_EQ(forward.counts(), backward.counts());
}

TEST(Confusion, KeysComeInDetectron2sOrder) {
  const Results results = results_of(absent, &absent, {"a", "b", "c"}, ScoreRule::detectron2);
  std::vector<std::string> keys;
  for (const auto& [key, value] : results) keys.push_back(key);
  EXPECT_THAT(keys,
              ElementsAre("mIoU", "fwIoU", "IoU-a", "BoundaryIoU-a", "min(IoU, B-Iou)-a", "IoU-b",
                          "BoundaryIoU-b", "min(IoU, B-Iou)-b", "IoU-c", "BoundaryIoU-c",
                          "min(IoU, B-Iou)-c", "mACC", "pACC", "ACC-a", "ACC-b", "ACC-c"));
}

TEST(Confusion, AClassListThatNamesOneTwiceStillGivesUniqueKeys) {
  using ::testing::ElementsAre;
  EXPECT_THAT(unique_names({"a", "b", "a", "a (class 2)", "a"}),
              ElementsAre("a", "b", "a (class 2')", "a (class 2)", "a (class 4)"));
  Confusion counts(3);
  counts.counts()[0] = 3;
  std::set<std::string> keys;
  const Results results = results_of(counts, nullptr, {"a", "b", "a"}, ScoreRule::mmseg);
  for (const auto& [key, value] : results) keys.insert(key);
  EXPECT_EQ(keys.size(), results.size());
}

TEST(Confusion, CityscapesCallsItsMeanIoUAndScoresSevenCategories) {
  Confusion counts(19);
  const auto set = [&](int predicted, int truth, int64_t pixels) {
    counts.counts()[predicted * 20 + truth] = pixels;
  };
  set(0, 0, 6), set(0, 1, 2), set(1, 10, 4), set(10, 10, 4), set(13, 18, 5), set(3, 19, 50);
  const Results results =
      results_of(counts, nullptr, std::vector<std::string>(19, "x"), ScoreRule::cityscapes);
  EXPECT_EQ(results[0].first, "IoU");
  // road 6/8, sidewalk 0 of 6, sky 4/8, car 0, bicycle 0
  EXPECT_THAT(score_of(results, "IoU"), is(100 * (0.75 + 0 + 0.5 + 0 + 0) / 5));
  EXPECT_THAT(score_of(results, "mIoU"), is(score_of(results, "IoU")));
  EXPECT_THAT(score_of(results, "IoU_sup-flat"), is(100 * 8.0 / 12));
  EXPECT_THAT(score_of(results, "IoU_sup-vehicle"), is(100));
  EXPECT_THAT(score_of(results, "IoU_sup-human"), is(nan));
  EXPECT_THAT(score_of(results, "IoU_sup"), is(100 * (8.0 / 12 + 0.5 + 1) / 3));
}

TEST(MostConfused, ListsTheLargestMistakesWithTheirShare) {
  const auto pairs = most_confused(absent_but_predicted, 2);
  ASSERT_EQ(pairs.size(), 2u);
  EXPECT_EQ(pairs[0].truth, 0);
  EXPECT_EQ(pairs[0].predicted, 1);
  EXPECT_EQ(pairs[0].pixels, 2);
  EXPECT_THAT(pairs[0].share, is(2.0 / 6));
  EXPECT_EQ(pairs[1].predicted, 2);
}

}  // namespace
}  // namespace pixelclip
