#include "evaluation/evaluate.hpp"

#include <array>
#include <atomic>
#include <cmath>
#include <csignal>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>

#include "base/file.hpp"
#include "base/signal.hpp"
#include "image/codec.hpp"
#include "image/rle.hpp"
#include "support/support.hpp"

namespace pixelclip {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::shared_folder;
using ::testing::SizeIs;
using testing::TempFolder;

/// A declared set of three classes and `count` images; the label of pixel (y, x) is its red / 10.
struct SmallSet {
  TempFolder folder;
  DatasetInfo info;

  explicit SmallSet(int count) {
    info.name = "small";
    info.images = {folder / "images"};
    info.labels = {{.path = folder / "labels"}};
    info.names = {"a", "b", "c"};
    fs::create_directories(info.images[0]);
    fs::create_directories(info.labels[0].path);
    for (int i = 0; i < count; ++i) add(str("p", i), 6 + i, 9, i);
  }

  void add(const std::string& stem, int64_t height, int64_t width, int seed) {
    Image image(height, width, 3);
    LabelMap labels{height, width, std::vector<int32_t>(height * width)};
    for (int64_t i = 0; i < height * width; ++i) {
      const auto id = static_cast<int32_t>((i / (3 + seed % 2) + seed) % 3);
      labels.ids[i] = i % 7 == 0 ? 255 : id;
      image.pixels[3 * i] = image.pixels[3 * i + 1] = image.pixels[3 * i + 2] = 10 * id;
    }
    write_png(info.images[0] / (stem + ".png"), image);
    write_label_png(info.labels[0].path / (stem + ".png"), labels);
  }
};

/// Scores that give the right class everywhere, but for class c's place taken by b when `confuse`.
ScoreFunction oracle(bool confuse = false) {
  return [confuse](const Image& image) {
    auto scores = torch::zeros({3, image.height, image.width});
    auto s = scores.accessor<float, 3>();
    for (int64_t y = 0; y < image.height; ++y) {
      for (int64_t x = 0; x < image.width; ++x) {
        const int id = image.row(y)[3 * x] / 10;
        s[confuse && id == 2 ? 1 : id][y][x] = 1;
      }
    }
    return scores;
  };
}

TEST(Evaluate, ARightPredictionScoresAHundred) {
  const SmallSet set(4);
  const SetResult result = evaluate(set.info, oracle(), {});
  EXPECT_EQ(result.scored, 4);
  EXPECT_EQ(result.listed, 4);
  EXPECT_TRUE(result.complete);
  for (const char* name : {"mIoU", "fwIoU", "mACC", "pACC", "IoU-a", "IoU-c"}) {
    EXPECT_DOUBLE_EQ(score_of(result.scores, name), 100) << name;
  }
}

TEST(Evaluate, WritesPredictionsThatDecodeToTheLabels) {
  const SmallSet set(2);
  const fs::path folder = set.folder / "out/inference";
  evaluate(set.info, oracle(true), {.predictions = folder});
  const auto predictions = read_json(folder / "sem_seg_predictions.json");
  ASSERT_THAT(predictions, SizeIs(4));
  EXPECT_EQ(predictions[0]["file_name"], (set.info.images[0] / "p0.png").string());
  EXPECT_EQ(predictions[0]["category_id"], 0);
  EXPECT_EQ(predictions[1]["category_id"], 1);
  const auto& mask = predictions[1]["segmentation"];
  const auto bitmap = rle_to_bitmap(
      decode_rle(mask["counts"].get<std::string>(), mask["size"][0], mask["size"][1]));
  const Image image = read_rgb(set.info.images[0] / "p0.png");
  for (int64_t i = 0; i < image.height * image.width; ++i) {
    ASSERT_EQ(bitmap[i], image.pixels[3 * i] >= 10);
  }
  EXPECT_EQ(std::distance(fs::directory_iterator(folder), {}), 1) << "parts are left behind";
}

TEST(Evaluate, PredictionsUseTheSetsCategoryIds) {
  SmallSet set(2);
  const fs::path folder = set.folder / "out";
  const auto ids = [&] {
    std::set<int> found;
    for (const auto& element : read_json(folder / "sem_seg_predictions.json"))
      found.insert(element["category_id"].get<int>());
    return found;
  };
  const SetResult numbers = evaluate(set.info, oracle(), {.predictions = folder});
  EXPECT_THAT(ids(), ElementsAre(0, 1, 2));
  set.info.prediction_ids = {1, 13, 182};
  const SetResult own = evaluate(set.info, oracle(), {.predictions = folder});
  EXPECT_THAT(ids(), ElementsAre(1, 13, 182));
  EXPECT_EQ(own.fingerprint, numbers.fingerprint) << "the numbers are the same";
  set.info.prediction_ids = {1};
  EXPECT_ERROR(evaluate(set.info, oracle(), {.predictions = folder}),
               HasSubstr("has no id of its own"));
}

/// Two ways, the oracle and one that takes b for c; counts the images that each way scored.
WaysScoreFunction two_ways(std::array<std::atomic<int>, 2>& scored) {
  return [&scored](const std::vector<Image>& images, const std::vector<size_t>& wanted) {
    std::vector<std::vector<torch::Tensor>> all;
    for (const size_t way : wanted) {
      auto& scores = all.emplace_back();
      for (const Image& image : images) scores.push_back(oracle(way == 1)(image));
      scored[way] += static_cast<int>(images.size());
    }
    return all;
  };
}

TEST(EvaluateWays, EqualsEachWayAloneAndReadsEachImageOnce) {
  const SmallSet set(3);
  std::array<std::atomic<int>, 2> scored{};
  const Comparison both = evaluate_ways(set.info, two_ways(scored), {{}, {}});
  ASSERT_THAT(both.results, SizeIs(2));
  EXPECT_EQ(both.results[0].confusion.counts(),
            evaluate(set.info, oracle(), {}).confusion.counts());
  EXPECT_EQ(both.results[1].confusion.counts(),
            evaluate(set.info, oracle(true), {}).confusion.counts());
  EXPECT_THAT(both.contested, SizeIs(0)) << "no predictions were kept";
}

TEST(EvaluateWays, ScoresAgainOnlyTheWayThatIsNewOrChanged) {
  const SmallSet set(3);
  std::array<std::atomic<int>, 2> scored{};
  EvaluateOptions first{.predictions = set.folder / "a", .protocol = "1", .keep_progress = true};
  evaluate_ways(set.info, two_ways(scored), {first});
  EXPECT_EQ(scored[0], 3);
  const EvaluateOptions second{.predictions = set.folder / "b", .keep_progress = true};
  const auto both = evaluate_ways(set.info, two_ways(scored), {first, second});
  EXPECT_EQ(scored[0], 3);
  EXPECT_EQ(scored[1], 3);
  EXPECT_DOUBLE_EQ(score_of(both.results[0].scores, "mIoU"), 100);
  EXPECT_LT(score_of(both.results[1].scores, "mIoU"), 100);
  first.protocol = "2";
  evaluate_ways(set.info, two_ways(scored), {first, second});
  EXPECT_EQ(scored[0], 6);
  EXPECT_EQ(scored[1], 3);
}

TEST(EvaluateWays, ListsTheImagesOnWhichTheWaysDisagreeMost) {
  SmallSet set(2);
  set.add("agreed", 1, 2, 0);  // classes a and b alone, which both ways tell apart
  std::array<std::atomic<int>, 2> scored{};
  const auto both =
      evaluate_ways(set.info, two_ways(scored),
                    {{.predictions = set.folder / "a"}, {.predictions = set.folder / "b"}}, 5);
  ASSERT_THAT(both.contested, SizeIs(2));
  EXPECT_GE(both.contested[0].share, both.contested[1].share);
  for (const ContestedImage& image : both.contested) {
    ASSERT_THAT(image.predictions, SizeIs(2));
    int64_t differs = 0;
    for (size_t i = 0; i < image.predictions[0].ids.size(); ++i) {
      EXPECT_EQ(image.predictions[0].ids[i] == 2,
                image.predictions[0].ids[i] != image.predictions[1].ids[i]);
      differs += image.predictions[0].ids[i] == 2;
    }
    EXPECT_DOUBLE_EQ(image.share, 100.0 * static_cast<double>(differs) /
                                      static_cast<double>(image.predictions[0].ids.size()));
  }
}

TEST(Evaluate, AnInterruptedFileWithOtherIdsIsNotContinued) {
  SmallSet set(1);
  const fs::path folder = set.folder / "out";
  evaluate(set.info, oracle(), {.predictions = folder, .keep_progress = true});
  set.info.prediction_ids = {1, 13, 182};
  evaluate(set.info, oracle(), {.predictions = folder});
  for (const auto& element : read_json(folder / "sem_seg_predictions.json"))
    EXPECT_NE(element["category_id"], 0);
}

TEST(Evaluate, MatricesAndPredictionsDoNotDependOnRanksThreadsOrBatches) {
  const SmallSet set(5);
  const SetResult one = evaluate(set.info, oracle(true), {.predictions = set.folder / "one"});
  const SetResult threaded = evaluate(set.info, oracle(true), {.threads = 8});
  EXPECT_EQ(one.confusion.counts(), threaded.confusion.counts());
  const BatchScoreFunction many = [](const std::vector<Image>& images) {
    std::vector<torch::Tensor> scores;
    for (const Image& image : images) scores.push_back(oracle(true)(image));
    return scores;
  };
  for (const int batch : {2, 3, 9}) {
    EXPECT_EQ(evaluate(set.info, many, {.batch = batch}).confusion.counts(), one.confusion.counts())
        << batch;
  }

  // Two ranks in threads; the sum is exchanged through memory.
  std::mutex mutex;
  std::condition_variable changed;
  torch::Tensor sum;
  int joined = 0;
  const auto all_reduce = [&](torch::Tensor& counts) {
    std::unique_lock lock(mutex);
    sum = joined == 0 ? counts.clone() : sum + counts;
    ++joined;
    changed.notify_all();
    changed.wait(lock, [&] { return joined == 2; });
    counts.copy_(sum);
  };
  SetResult results[2];
  std::thread other([&] {
    results[1] = evaluate(
        set.info, oracle(true),
        {.predictions = set.folder / "two", .rank = 1, .world_size = 2, .all_reduce = all_reduce});
  });
  results[0] = evaluate(
      set.info, oracle(true),
      {.predictions = set.folder / "two", .rank = 0, .world_size = 2, .all_reduce = all_reduce});
  other.join();
  for (const SetResult& result : results) {
    EXPECT_EQ(result.confusion.counts(), one.confusion.counts());
    EXPECT_EQ(result.scored, 5);
    EXPECT_EQ(score_of(result.scores, "BoundaryIoU-a"), score_of(one.scores, "BoundaryIoU-a"));
  }
  EXPECT_EQ(read_text(set.folder / "two/sem_seg_predictions.json"),
            read_text(set.folder / "one/sem_seg_predictions.json"));
}

TEST(Evaluate, PycocotoolsReadsThePredictions) {
  const char* named = std::getenv("PIXELCLIP_PYTHON");
  const std::string python = named ? named : "python3";
  if (std::system((python + " -c 'import pycocotools.mask, numpy' >/dev/null 2>&1").c_str()) != 0) {
    GTEST_SKIP() << python << " has no pycocotools (PIXELCLIP_PYTHON names another)";
  }
  const SmallSet set(3);
  const SetResult result = evaluate(set.info, oracle(true), {.predictions = set.folder / "out"});
  // The areas of each class over all images, and that the masks of an image cover it once.
  write_text(set.folder / "read.py", R"(
import json, sys
from pycocotools import mask
images, areas = {}, {}
for entry in json.load(open(sys.argv[1])):
    bits = mask.decode(entry["segmentation"])
    images[entry["file_name"]] = images.get(entry["file_name"], 0) + bits
    areas[entry["category_id"]] = areas.get(entry["category_id"], 0) + int(bits.sum())
assert len(images) == 3 and all((p == 1).all() for p in images.values())
print(json.dumps([areas.get(c, 0) for c in range(3)]), file=open(sys.argv[2], "w"))
)");
  const auto quoted = [&](const char* name) { return " '" + (set.folder / name).string() + "'"; };
  ASSERT_EQ(std::system((python + quoted("read.py") + quoted("out/sem_seg_predictions.json") +
                         quoted("areas.json"))
                            .c_str()),
            0);
  const auto areas = read_json(set.folder / "areas.json");
  for (int p = 0; p < 3; ++p) {
    int64_t pixels = 0;
    for (int t = 0; t <= 3; ++t) pixels += result.confusion.at(p, t);
    EXPECT_EQ(areas[p], pixels) << "class " << p;
  }
}

TEST(Evaluate, AnUnreadableImageIsListedAndCountedAndTheOthersAreScored) {
  const SmallSet set(3);
  write_text(set.info.images[0] / "p1.png", "damaged");
  write_text(set.info.labels[0].path / "p2.png", "damaged too");
  SmallSet other(1);
  const SetResult result = evaluate(set.info, oracle(), {});
  EXPECT_EQ(result.scored, 1);
  EXPECT_EQ(result.failed, 2);
  EXPECT_THAT(result.unreadable,
              ElementsAre(HasSubstr("images/p1.png"), HasSubstr("labels/p2.png")));
}

TEST(Evaluate, AnImageAndLabelsOfOtherSizesAreListed) {
  const SmallSet set(2);
  write_png(set.info.images[0] / "p0.png", Image(4, 4, 3));
  const SetResult result = evaluate(set.info, oracle(), {});
  EXPECT_THAT(result.unreadable, ElementsAre(AllOf(HasSubstr("4×4"), HasSubstr("9×6"))));
}

TEST(Evaluate, AnIdBeyondTheClassListEndsTheEvaluationWithFileAndValue) {
  const SmallSet set(3);
  write_label_png(set.info.labels[0].path / "p1.png", {7, 9, std::vector<int32_t>(63, 42)});
  EXPECT_ERROR(evaluate(set.info, oracle(), {}),
               AllOf(HasSubstr("p1.png"), HasSubstr("the id 42")));
}

TEST(Evaluate, ASetWithoutPairsSaysSo) {
  SmallSet set(0);
  EXPECT_ERROR(evaluate(set.info, oracle(), {}), HasSubstr("labels"));  // no label file at all
  write_label_png(set.info.labels[0].path / "lonely.png", {1, 1, {0}});
  EXPECT_ERROR(evaluate(set.info, oracle(), {}),
               AllOf(HasSubstr("no pair of image and labels"), HasSubstr("lonely")));
}

TEST(Evaluate, ASetOfWhichNothingCanBeReadFails) {
  const SmallSet set(1);
  write_text(set.info.images[0] / "p0.png", "");
  EXPECT_ERROR(evaluate(set.info, oracle(), {}),
               AllOf(HasSubstr("none of its 1"), HasSubstr("p0.png")));
}

TEST(Evaluate, AnErrorOfTheModelIsRethrownAndNoThreadHangs) {
  const SmallSet set(8);
  std::atomic<int> calls = 0;
  const ScoreFunction breaks = [&](const Image& image) -> torch::Tensor {
    if (++calls == 3) fail("the model is broken");
    return oracle()(image);
  };
  EXPECT_ERROR(evaluate(set.info, breaks, {.threads = 3}), HasSubstr("the model is broken"));
  const ScoreFunction nan = [](const Image& image) {
    return torch::full({3, image.height, image.width}, std::nan(""));
  };
  EXPECT_ERROR(evaluate(set.info, nan, {.threads = 1}),
               AllOf(HasSubstr("p0.png"), HasSubstr("not a finite")));
  const ScoreFunction shape = [](const Image&) { return torch::zeros({2, 4, 4}); };
  EXPECT_THROW(evaluate(set.info, shape, {}), c10::Error);
}

TEST(Evaluate, ImagesWithNothingToScoreAreLeftOutWhereTheSetSaysSo) {
  SmallSet set(2);
  write_label_png(set.info.labels[0].path / "p0.png", {6, 9, std::vector<int32_t>(54, 255)});
  EXPECT_EQ(evaluate(set.info, oracle(), {}).scored, 2);
  set.info.skip_unlabelled = true;
  const SetResult result = evaluate(set.info, oracle(), {});
  EXPECT_EQ(result.scored, 1);
  EXPECT_EQ(result.unlabelled, 1);
}

TEST(Evaluate, TheLimitTakesTheFirstImages) {
  const SmallSet set(4);
  EXPECT_EQ(evaluate(set.info, oracle(), {.predictions = set.folder / "out", .limit = 2}).listed,
            2);
  std::set<std::string> seen;
  for (const auto& element : read_json(set.folder / "out/sem_seg_predictions.json")) {
    seen.insert(fs::path(element["file_name"].get<std::string>()).stem());
  }
  EXPECT_THAT(seen, ElementsAre("p0", "p1"));
}

/// Scores `set` with a model that fails at the image whose height is `breaks_at`.
void interrupt(const SmallSet& set, const EvaluateOptions& options, int64_t breaks_at) {
  const ScoreFunction scores = [=](const Image& image) {
    if (image.height == breaks_at) fail("power cut");
    return oracle(true)(image);
  };
  EXPECT_ERROR(evaluate(set.info, scores, options), HasSubstr("power cut"));
}

/// Heights of the images that are asked for when the set is scored with `options`.
std::vector<int64_t> asked_for(const SmallSet& set, const EvaluateOptions& options,
                               SetResult* result = nullptr) {
  std::vector<int64_t> heights;
  const ScoreFunction scores = [&](const Image& image) {
    heights.push_back(image.height);
    return oracle(true)(image);
  };
  const SetResult outcome = evaluate(set.info, scores, options);
  if (result) *result = outcome;
  return heights;
}

TEST(Evaluate, AnInterruptedEvaluationContinues) {
  const SmallSet set(5);
  const SetResult whole = evaluate(set.info, oracle(true), {.predictions = set.folder / "whole"});
  const EvaluateOptions options{.predictions = set.folder / "out", .threads = 1};
  interrupt(set, options, 9);  // p3; p0, p1 and p2 are known
  SetResult resumed;
  EXPECT_THAT(asked_for(set, options, &resumed), ElementsAre(9, 10));
  EXPECT_EQ(resumed.confusion.counts(), whole.confusion.counts());
  EXPECT_EQ(resumed.scored, 5);
  EXPECT_EQ(score_of(resumed.scores, "BoundaryIoU-b"), score_of(whole.scores, "BoundaryIoU-b"));
  EXPECT_EQ(read_text(set.folder / "out/sem_seg_predictions.json"),
            read_text(set.folder / "whole/sem_seg_predictions.json"));
  EXPECT_THAT(asked_for(set, options), SizeIs(5)) << "a finished evaluation starts anew";
}

TEST(Evaluate, ProgressCanBeKeptAndUsedByAnyNumberOfRanks) {
  const SmallSet set(5);
  EvaluateOptions options{.predictions = set.folder / "out", .threads = 1, .keep_progress = true};
  options.rank = 1;
  options.world_size = 2;
  options.all_reduce = [](torch::Tensor&) {};
  EXPECT_THAT(asked_for(set, options), ElementsAre(7, 9));  // p1 and p3
  options.rank = 0;
  options.world_size = 1;
  SetResult result;
  EXPECT_THAT(asked_for(set, options, &result), ElementsAre(6, 8, 10));
  EXPECT_EQ(result.confusion.counts(), evaluate(set.info, oracle(true), {}).confusion.counts());
  EXPECT_THAT(asked_for(set, options), ::testing::IsEmpty());
  forget_progress(options.predictions);
  EXPECT_THAT(asked_for(set, options), SizeIs(5));
}

TEST(Evaluate, OtherWeightsOrProtocolsDiscardTheProgress) {
  const SmallSet set(3);
  EvaluateOptions options{
      .predictions = set.folder / "out", .protocol = "one", .weights = "w", .threads = 1};
  interrupt(set, options, 8);
  options.weights = "v";
  EXPECT_THAT(asked_for(set, options), SizeIs(3));
  interrupt(set, options, 8);
  options.protocol = "two";
  EXPECT_THAT(asked_for(set, options), SizeIs(3));
}

TEST(Evaluate, AnIncompleteLineOfTheProgressFileIsScoredAgain) {
  const SmallSet set(4);
  const SetResult whole = evaluate(set.info, oracle(true), {});
  const EvaluateOptions options{.predictions = set.folder / "out", .threads = 1};
  const fs::path file = set.folder / "out/.progress.0";
  interrupt(set, options, 9);
  const std::string kept = read_text(file);
  for (const std::string& text :
       {kept.substr(0, kept.size() - 5), kept + "3\ts\t0 1 x", kept + "\n\n", kept + "3\tq\t\t\t\n",
        kept + "99\ts\t0 1 \t\t\n", std::string("?")}) {
    write_text(file, text);
    SetResult result;
    EXPECT_THAT(asked_for(set, options, &result), ::testing::Contains(9));
    EXPECT_EQ(result.confusion.counts(), whole.confusion.counts());
  }
}

TEST(Evaluate, ImagesAndLabelsWithoutTheOtherAreCounted) {
  const SmallSet set(4);
  fs::remove(set.info.labels[0].path / "p1.png");
  fs::remove(set.info.images[0] / "p2.png");
  const SetResult result = evaluate(set.info, oracle(), {});
  EXPECT_EQ(result.scored, 2);
  EXPECT_EQ(result.unpaired, 2);
  EXPECT_EQ(result.expected, 3);
  EXPECT_THAT(results_table({result}), HasSubstr("ONLY 66.7 % OF THE SET: 2 of 3 images"));
}

TEST(Evaluate, AnImageThatExifTurnsIsReadAsItsLabelsWereDrawn) {
  SmallSet set(1);
  std::string png = read_text(set.info.images[0] / "p0.png");
  // A chunk eXIf, orientation 6, behind the header of 33 bytes.
  const std::string chunk(
      "\0\0\0\x1A"
      "eXIfMM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0",
      34);
  uint32_t crc = ~0u;
  for (const char c : chunk.substr(4)) {
    crc ^= static_cast<uint8_t>(c);
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0u);
  }
  crc = ~crc;
  std::string sum;
  for (int shift = 24; shift >= 0; shift -= 8) sum += static_cast<char>(crc >> shift);
  png.insert(33, chunk + sum);
  write_text(set.info.images[0] / "p0.png", png);
  ASSERT_EQ(read_rgb(set.info.images[0] / "p0.png").width, 6);
  EvaluateOptions options;
  options.examples = 1;
  const TempFolder out;
  options.predictions = out.path();
  const SetResult result = evaluate(set.info, oracle(), options);
  EXPECT_EQ(result.scored, 1);
  EXPECT_DOUBLE_EQ(score_of(result.scores, "mIoU"), 100);
  EXPECT_EQ(result.examples.at(0).image.width, 9);
}

TEST(Evaluate, NamesWithCommasAreShownWithoutTheirBackslashAndDifferFromSynonyms) {
  const SmallSet set(1);
  const SetResult one = evaluate(set.info, oracle(), {.names = {"a\\, x", "b", "c"}});
  const SetResult two = evaluate(set.info, oracle(), {.names = {"a, x", "b", "c"}});
  EXPECT_DOUBLE_EQ(score_of(one.scores, "IoU-a, x"), 100);
  EXPECT_EQ(one.names, two.names);
  EXPECT_NE(one.fingerprint, two.fingerprint);
}

TEST(Evaluate, TheFingerprintChangesWithEverySettingThatAffectsScores) {
  SmallSet set(2);
  const auto print = [&](const EvaluateOptions& options) {
    return evaluate(set.info, oracle(), options).fingerprint;
  };
  const std::string usual = print({.protocol = "p", .weights = "w"});
  EXPECT_EQ(print({.protocol = "p", .weights = "w", .threads = 3, .batch = 2}), usual);
  EXPECT_NE(print({.protocol = "q", .weights = "w"}), usual);
  EXPECT_NE(print({.names = {"a", "b", "d"}, .protocol = "p", .weights = "w"}), usual);
  EXPECT_NE(print({.rule = TestRule::mmseg, .protocol = "p", .weights = "w"}), usual);
  EXPECT_NE(print({.protocol = "p", .weights = "w", .limit = 1}), usual);
  set.info.labels[0].map = {{1, 0, 2}, /*rest_ignored=*/true};
  EXPECT_NE(print({.protocol = "p", .weights = "w"}), usual);
  set.info.labels[0].map = {};
  const std::string other = print({.protocol = "p", .weights = "v"});
  EXPECT_EQ(other.substr(0, other.find('-')), usual.substr(0, usual.find('-')))
      << "only the weights differ";
  EXPECT_NE(other, usual);
}

TEST(Evaluate, ExamplesAreTheBestTheWorstAndOthersEachOnce) {
  SmallSet set(5);
  // Class c is taken for b: an image without c is the best one.
  Image black(8, 9, 3);
  std::fill(black.pixels.begin(), black.pixels.end(), 0);
  write_png(set.info.images[0] / "p2.png", black);
  write_label_png(set.info.labels[0].path / "p2.png", {8, 9, std::vector<int32_t>(72, 0)});
  const SetResult result =
      evaluate(set.info, oracle(true), {.predictions = set.folder / "out", .examples = 1});
  ASSERT_EQ(result.examples.size(), 3u);
  EXPECT_EQ(result.examples[0].stem, "p2");
  EXPECT_EQ(result.examples[0].score, 100);
  std::set<std::string> stems;
  for (const Example& example : result.examples) stems.insert(example.stem);
  EXPECT_EQ(stems.size(), 3u);
  EXPECT_EQ(result.examples[0].kind, "best");
  EXPECT_GE(result.examples[0].score, result.examples[2].score);
  EXPECT_LE(result.examples[1].score, result.examples[2].score);
  for (const Example& example : result.examples) {
    EXPECT_EQ(example.prediction.ids.size(), example.truth.ids.size());
    EXPECT_EQ(example.image.height, example.truth.height);
  }
  EXPECT_THAT(
      evaluate(set.info, oracle(), {.predictions = set.folder / "out", .examples = 3}).examples,
      SizeIs(5));
}

TEST(Evaluate, ExamplesShowClassesIfPredictionsUseCategoryIds) {
  SmallSet set(1);
  set.info.prediction_ids = {5, 90, 7};
  const TempFolder out;
  EvaluateOptions options;
  options.examples = 1;
  options.predictions = out.path();
  const SetResult result = evaluate(set.info, oracle(), options);
  const Example& example = result.examples.at(0);
  for (size_t i = 0; i < example.truth.ids.size(); ++i) {
    if (example.truth.ids[i] == 255) continue;
    EXPECT_EQ(example.prediction.ids[i], example.truth.ids[i]);
  }
}

TEST(EvaluateDeathTest, ASignalStopsItWithPartialResults) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto stopped = [] {
    const SmallSet set(6);
    signals::install();
    int calls = 0;
    const ScoreFunction scores = [&](const Image& image) {
      if (++calls == 2) raise(SIGUSR1);
      return oracle()(image);
    };
    const SetResult result =
        evaluate(set.info, scores, {.predictions = set.folder / "out", .threads = 1});
    const bool right = !result.complete && result.scored == 2 && result.listed == 6 &&
                       score_of(result.scores, "mIoU") == 100 &&
                       fs::exists(set.folder / "out/sem_seg_predictions.json") &&
                       fs::exists(set.folder / "out/.progress.0");
    std::_Exit(right ? 0 : 1);
  };
  EXPECT_EXIT(stopped(), ::testing::ExitedWithCode(0), "scored 2 of 6");
}

TEST(Evaluate, AClassListOfTheWrongLengthIsRefusedBeforeAnyImage) {
  SmallSet set(1);
  set.info.classes = 3;
  EXPECT_ERROR(evaluate(set.info, oracle(), {.names = {"a", "b"}}),
               HasSubstr("2 names, but the labels of small have 3"));
}

/// detectron2's own predictions, decoded, must give detectron2's own scores.
TEST(Golden, Detectron2sPredictionsGiveItsScores) {
  SKIP_WITHOUT_SHARED();
  const fs::path golden = shared_folder() / "golden/data";
  const auto expected = nlohmann::ordered_json::parse(
      // Python writes NaN as a bare word, which JSON does not have.
      [&] {
        std::string text = read_text(golden / "ade_results.json");
        for (size_t at; (at = text.find(": NaN")) != std::string::npos;)
          text.replace(at, 5, ": null");
        return text;
      }());
  std::map<std::string, LabelMap> predicted;
  for (const auto& element : read_json(golden / "ade_sem_seg_predictions.json")) {
    const auto& mask = element["segmentation"];
    const Rle rle = decode_rle(mask["counts"].get<std::string>(), mask["size"][0], mask["size"][1]);
    LabelMap& map = predicted[element["file_name"]];
    map.height = rle.height, map.width = rle.width;
    map.ids.resize(rle.height * rle.width);
    const auto bitmap = rle_to_bitmap(rle);
    for (size_t i = 0; i < bitmap.size(); ++i) {
      if (bitmap[i]) map.ids[i] = element["category_id"];
    }
  }
  std::vector<std::string> names;
  for (const auto& [key, value] : expected["sem_seg"].items()) {
    if (key.starts_with("IoU-")) names.push_back(key.substr(4));
  }
  ASSERT_EQ(names.size(), 150u);
  const SemSegSet set(
      Catalog(DatasetRoots{golden / "datasets", ""}).find("ade20k_150_test_sem_seg"));
  ASSERT_EQ(set.items().size(), 4u);
  SemSegEvaluator evaluator(names, ScoreRule::detectron2, 255);
  std::string json = "[";
  for (const SemSegItem& item : set.items()) {
    const std::string name =
        "datasets/ADEChallengeData2016/images/validation/" + item.image.filename().string();
    evaluator.process(name, predicted.at(name), set.labels(item, 150));
    json += (json.size() > 1 ? ", " : "") + predictions_json(name, predicted.at(name));
  }
  EXPECT_EQ(parse_json(json + "]", "ours"), read_json(golden / "ade_sem_seg_predictions.json"));

  const Results results = evaluator.finish();
  ASSERT_EQ(results.size(), expected["sem_seg"].size());
  size_t at = 0;
  for (const auto& [key, value] : expected["sem_seg"].items()) {
    const auto& [name, score] = results[at++];
    EXPECT_EQ(name, key);
    if (value.is_null()) {
      EXPECT_TRUE(std::isnan(score)) << key << " is " << score;
    } else {
      EXPECT_NEAR(score, value.get<double>(), 1e-9) << key;
    }
  }
}

}  // namespace
}  // namespace pixelclip
