#include "inference/segmenter.hpp"

#include <thread>

#include "base/file.hpp"
#include "inference/argmax_tensor.hpp"
#include "inference/class_scorer.hpp"
#include "inference/segmentation.hpp"
#include "io/safetensors.hpp"
#include "io/torch_writer.hpp"
#include "nn/torch_threads.hpp"
#include "support/device.hpp"
#include "support/tensors.hpp"
#include "support/tiny_clip.hpp"

namespace pixelclip {
namespace {
using ::testing::AllOf;
using testing::close;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::shared_folder;
using testing::TempFolder;

/// Coloured blocks, so that features differ from place to place.
Image blocks(int64_t height, int64_t width) {
  Image image(height, width, 3);
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t x = 0; x < width; ++x) {
      const int64_t block = y / 13 * 7 + x / 17 * 5;
      for (int64_t c = 0; c < 3; ++c)
        image.row(y)[3 * x + c] = static_cast<uint8_t>(block * (31 + 20 * c) % 256);
    }
  }
  return image;
}

class SegmenterTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new TempFolder;
    weights_ = testing::write_tiny_clip(*folder_ / "clip.pth");
    write_text(
        *folder_ / "small.yaml",
        "INPUT: {MIN_SIZE_TEST: 64, MAX_SIZE_TEST: 256}\nMODEL: {CLIP_RESOLUTION: [48, 48]}\n");
  }
  static void TearDownTestSuite() { delete folder_; }

  static SegmenterOptions options() {
    SegmenterOptions result;
    result.weights = weights_.string();
    result.config = *folder_ / "small.yaml";
    result.templates = "single";
    result.device = testing::device();
    return result;
  }

  static inline TempFolder* folder_ = nullptr;
  static inline std::filesystem::path weights_;
};

TEST(Segmenter, ScoresWhatThePublicImplementationScores) {
  SKIP_WITHOUT_SHARED();
  const TempFolder folder;
  write_text(folder / "golden.yaml",
             "INPUT: {MIN_SIZE_TEST: 0, FORMAT: RGB}\nMODEL: {CLIP_RESOLUTION: [96, 96]}\n");
  SegmenterOptions options;
  options.weights = (shared_folder() / "golden/vit/model.pth").string();
  options.config = folder / "golden.yaml";
  options.templates = "single";
  options.device = testing::device();
  const Segmenter segmenter(options);
  const auto golden = read_safetensors(shared_folder() / "golden/vit/expected.safetensors").tensors;
  const auto pixels = golden.at("in.image.0").permute({1, 2, 0}).contiguous();
  Image image(pixels.size(0), pixels.size(1), 3);
  std::copy_n(pixels.const_data_ptr<uint8_t>(), image.pixels.size(), image.pixels.begin());
  const auto words =
      segmenter.words({"wall", "building", "sky, cloud", "grass", "orange", "person, man, woman"});
  const auto scores = score_words(segmenter.encode(image, 150, 101), words);
  EXPECT_TRUE(close(at::upsample_bilinear2d(scores.unsqueeze(0), {150, 101}, false).squeeze(0),
                    golden.at("eval.0.sem_seg"), 1e-5));
  EXPECT_TRUE(close(segmenter.dense(image), golden.at("eval.dense").squeeze(0), 1e-5));
}

TEST_F(SegmenterTest, FindsWhatScoringFinds) {
  const Segmenter segmenter(options());
  const Config config = load_config(*folder_ / "small.yaml");
  PixelCLIP model(config.model, segmenter.clip()->architecture());
  model->start_from_clip(state_of(*segmenter.clip()), "clip.pth");
  model->eval();
  model->to(segmenter.encoder().device());
  const Image image = blocks(61, 97);
  const Words words = segmenter.words({"dog", "cat", "grass", "sky, cloud"});
  const auto scored =
      ClassScorer(model, config.model, config.test)(
          {views_of(image, config.input, config.test, config.model.clip_resolution)}, words.bank)
          .front();
  const auto found = segment(segmenter.encode(image), words);
  EXPECT_TRUE(close(found.scores, scored, 1e-5));
  const auto labels = argmax_upsampled(scored, 61, 97);
  int64_t equal = 0;
  for (size_t i = 0; i < labels.ids.size(); ++i) equal += labels.ids[i] == found.labels.ids[i];
  EXPECT_GE(static_cast<double>(equal), 0.999 * 61 * 97) << "more than ties differ";
}

TEST_F(SegmenterTest, ImagesEncodedTogetherGiveWhatEachGivesAlone) {
  const Segmenter segmenter(options());
  const Image small = blocks(40, 40), long_one = blocks(50, 500), wide = blocks(60, 90);
  const auto together = segmenter.encode(
      std::vector<Segmenter::Source>{{small, 40, 40}, {long_one, 50, 500}, {wide, 120, 180}});
  const Words words = segmenter.words({"dog", "cat"}, {0.01, {"sky"}});
  const EncodedImage alone[] = {segmenter.encode(small), segmenter.encode(long_one),
                                segmenter.encode(wide, 120, 180)};
  ASSERT_EQ(together.size(), 3u);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(together[i].height, alone[i].height);
    EXPECT_EQ(together[i].columns, alone[i].columns);
    EXPECT_TRUE(close(score_words(together[i], words), score_words(alone[i], words), 1e-5)) << i;
  }
}

TEST_F(SegmenterTest, ResultsDoNotDependOnTheThreadsOfLibTorch) {
  const Segmenter segmenter(options());
  const Image image = blocks(61, 97);
  const Words words = segmenter.words({"dog", "cat", "grass"});
  const auto with = [&](int threads) {
    const TorchThreads scope(threads);
    return segment(segmenter.encode(image), words, threads);
  };
  const auto one = with(1);
  for (const int threads : {2, 3}) {
    const auto several = with(threads);
    EXPECT_TRUE(torch::equal(several.scores, one.scores)) << threads;
    EXPECT_EQ(several.labels.ids, one.labels.ids) << threads;
  }
}

TEST_F(SegmenterTest, AClassKeepsItsScoresWhateverTheOtherWordsAre) {
  const Segmenter segmenter(options());
  const auto image = segmenter.encode(blocks(60, 90));
  const auto one = score_words(image, segmenter.words({"grass"}));
  const auto three = score_words(image, segmenter.words({"dog", "grass", "sky, cloud"}));
  EXPECT_TRUE(close(three[1], one[0], 0, 1e-6));
  const auto again = score_words(image, segmenter.words({"dog", "grass", "sky, cloud"}));
  EXPECT_TRUE(close(again, three, 0, 0)) << "remembered embeddings differ from fresh ones";
}

TEST_F(SegmenterTest, ARegionIsWhatItsLabelMarks) {
  const Segmenter segmenter(options());
  const auto result =
      segment(segmenter.encode(blocks(61, 97)), segmenter.words({"a", "b", "c", "d"}), 2);
  ASSERT_EQ(result.labels.height, 61);
  ASSERT_EQ(result.labels.width, 97);
  int64_t total = 0;
  for (const Region& region : regions(result)) {
    EXPECT_EQ(region.mask, rle_from_label(result.labels, region.id)) << region.id;
    EXPECT_EQ(region.area, rle_area(region.mask.counts)) << region.id;
    EXPECT_GE(region.score, -1);
    EXPECT_LE(region.score, 1);
    total += region.area;
  }
  EXPECT_EQ(total, 61 * 97);
}

TEST_F(SegmenterTest, AThresholdDecidesWhatIsBackground) {
  const Segmenter segmenter(options());
  const auto image = segmenter.encode(blocks(40, 40));
  const auto all = segment(image, segmenter.words({"dog", "cat"}, {1.0, {}}));
  EXPECT_THAT(all.names, ElementsAre("dog", "cat", "background"));
  EXPECT_THAT(all.labels.ids, ::testing::Each(2));
  const auto none = segment(image, segmenter.words({"dog", "cat"}, {-1.0, {}}));
  EXPECT_THAT(none.labels.ids, ::testing::Each(::testing::Lt(2)));
}

TEST_F(SegmenterTest, BackgroundWordsWinWhereTheyFitBest) {
  const Segmenter segmenter(options());
  const auto image = segmenter.encode(blocks(40, 40));
  const auto scores = score_words(image, segmenter.words({"dog"}, {{}, {"cat", "sky"}}));
  const auto plain = score_words(image, segmenter.words({"dog", "cat", "sky"}));
  EXPECT_TRUE(close(scores[1], torch::maximum(plain[1], plain[2]), 0, 1e-6));
}

TEST_F(SegmenterTest, APanoramaIsEncodedInWindowsThatCoverIt) {
  const Segmenter segmenter(options());
  const auto image = segmenter.encode(blocks(50, 500));
  EXPECT_EQ(image.rows, 64);
  EXPECT_EQ(image.columns, 640);
  EXPECT_EQ(image.windows.size(), 19u);
  const auto result = segment(image, segmenter.words({"dog", "cat", "sky"}));
  EXPECT_EQ(result.labels.width, 500);
  EXPECT_TRUE(torch::isfinite(result.scores).all().item<bool>());
}

TEST_F(SegmenterTest, APanoramaOfOneSceneRepeatedScoresTheSameInEachOfItsWindows) {
  const Segmenter segmenter(options());
  const Image scene = blocks(64, 32);
  Image panorama(64, 32 * 8, 3);
  for (int64_t y = 0; y < 64; ++y) {
    for (int64_t x = 0; x < panorama.width; ++x)
      std::copy_n(scene.row(y) + 3 * (x % 32), 3, panorama.row(y) + 3 * x);
  }
  const auto scores = score_words(segmenter.encode(panorama), segmenter.words({"dog", "cat"}));
  EXPECT_TRUE(close(scores.slice(2, 64, 96), scores.slice(2, 128, 160), 1e-4));
}

TEST_F(SegmenterTest, ASmallPictureAndALineOfPixelsAreSegmentedToo) {
  const Segmenter segmenter(options());
  const auto words = segmenter.words({"dog", "cat"});
  EXPECT_EQ(segment(segmenter.encode(blocks(1, 1)), words).labels.ids.size(), 1u);
  const auto line = segmenter.encode(blocks(1, 60000));
  EXPECT_LE(line.columns, 64 * 128);
  EXPECT_EQ(segment(line, words).labels.ids.size(), 60000u);
}

TEST_F(SegmenterTest, ThreadsMayUseOneSegmenterAtOnce) {
  const Segmenter segmenter(options());
  const auto alone =
      segment(segmenter.encode(blocks(50, 70)), segmenter.words({"dog", "cat"})).labels.ids;
  std::vector<std::vector<int32_t>> found(4);
  std::vector<std::thread> threads;
  for (size_t t = 0; t < found.size(); ++t) {
    threads.emplace_back([&, t] {
      segmenter.words({str("word ", t), "dog"});
      found[t] =
          segment(segmenter.encode(blocks(50, 70)), segmenter.words({"dog", "cat"})).labels.ids;
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_THAT(found, ::testing::Each(alone));
}

TEST_F(SegmenterTest, ACommaBehindABackslashMakesNoSynonyms) {
  const Segmenter segmenter(options());
  const Words words = segmenter.words({"cat\\, wild", "cat, wild"});
  EXPECT_THAT(words.names, ::testing::ElementsAre("cat, wild", "cat, wild"));
  EXPECT_FALSE(torch::allclose(words.bank.embeddings[0], words.bank.embeddings[1]));
}

TEST_F(SegmenterTest, NamesThatMeanNothingAreRefused) {
  const Segmenter segmenter(options());
  EXPECT_ERROR(segmenter.words({}), HasSubstr("no class names"));
  EXPECT_ERROR(segmenter.words({"dog", " "}), HasSubstr("a class name is empty"));
  EXPECT_ERROR(segmenter.words({"dog", "cat", " dog"}),
               AllOf(HasSubstr("\"dog\""), HasSubstr("twice, as names 1 and 3")));
  std::string hundred;
  for (int i = 0; i < 100; ++i) hundred += "word ";
  EXPECT_ERROR(segmenter.words({hundred}), AllOf(HasSubstr("tokens"), HasSubstr("at most 77")));
}

TEST_F(SegmenterTest, AConfigurationBesideTheWeightsSetsTheSizes) {
  const TempFolder folder;
  std::filesystem::copy(weights_, folder / "model.pth");
  auto beside = options();
  beside.weights = (folder / "model.pth").string();
  beside.config.clear();
  EXPECT_EQ(Segmenter(beside).resolution().height, 48);  // 4 patches of 8, times 320 / 224
  write_text(folder / "config.yaml", "MODEL: {CLIP_RESOLUTION: [80, 64]}\n");
  EXPECT_EQ(Segmenter(beside).resolution(), (Size2{80, 64}));
  beside.resolution = {32, 32};
  EXPECT_EQ(Segmenter(beside).resolution(), (Size2{32, 32}));
}

TEST_F(SegmenterTest, WeightsOfAnotherKindAreNamed) {
  const TempFolder folder;
  auto other = options();
  write_torch_file(folder / "other.pth", to_value({{"layer.weight", torch::zeros({3, 3})}}));
  other.weights = (folder / "other.pth").string();
  EXPECT_ERROR(Segmenter{other}, HasSubstr("CLIP"));
  other.weights = (folder / "none.pth").string();
  EXPECT_ERROR(Segmenter{other}, HasSubstr("none.pth"));
  auto device = options();
  device.device = "tpu";
  EXPECT_ERROR(Segmenter{device}, HasSubstr("unknown device tpu"));
}

}  // namespace
}  // namespace pixelclip
