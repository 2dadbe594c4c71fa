#include <torch/utils.h>

#include "config/config.hpp"
#include "data/synthetic_sa1b.hpp"
#include "engine/model_factory.hpp"
#include "engine/runtime.hpp"
#include "engine/scoring.hpp"
#include "gpu/gpu.hpp"
#include "support/tiny_clip.hpp"

namespace pixelclip::testing {
namespace {

constexpr int kImages = 16;

/// A test set of images of several sizes, and a tiny CLIP.
class ScoringOnAGpu : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new TempFolder;
    write_tiny_clip(at("clip.pth"));
    fs::create_directories(at("set/images"));
    fs::create_directories(at("set/labels"));
    for (int i = 0; i < kImages; ++i) {
      const int64_t height = 40 + 8 * (i % 3), width = 70 - 6 * (i % 4);
      write_jpeg(at("set/images") / str(i, ".jpg"), synthetic_image(height, width, i));
      LabelMap labels{height, width, std::vector<int32_t>(height * width)};
      for (size_t k = 0; k < labels.ids.size(); ++k)
        labels.ids[k] = static_cast<int32_t>(k / 9 % 4);
      write_label_png(at("set/labels") / str(i, ".png"), labels);
    }
    write_file(at("words.json"), R"(["sky", "wall"])");
  }
  static void TearDownTestSuite() { delete folder_; }
  static fs::path at(const std::string& name) { return *folder_ / name; }

  static SetResult score(const std::string& device, std::vector<std::string> changes) {
    std::vector<std::string> keys = {"MODEL.DEVICE",
                                     device,
                                     "MODEL.SEM_SEG_HEAD.CLIP_PRETRAINED",
                                     at("clip.pth"),
                                     "MODEL.SEM_SEG_HEAD.NUM_CLASSES",
                                     "4",
                                     "MODEL.SEM_SEG_HEAD.PROMPT_LENGTH",
                                     "2",
                                     "MODEL.CLIP_RESOLUTION",
                                     "(64, 64)",
                                     "INPUT.MIN_SIZE_TEST",
                                     "48",
                                     "INPUT.FORMAT",
                                     "RGB",
                                     "FLOAT32_PRECISION",
                                     "highest",
                                     "MODEL.SEM_SEG_HEAD.TEST_CLASS_JSON",
                                     "",
                                     "OUTPUT_DIR",
                                     at("out_" + device),
                                     "DATASETS.CUSTOM",
                                     str("[{name: own, images: ", at("set/images").string(),
                                         ", labels: ", at("set/labels").string(),
                                         R"(, names: ["cat, lion", dog, sky, background]}])"),
                                     "DATASETS.TEST",
                                     "(\"own\",)"};
    keys.insert(keys.end(), changes.begin(), changes.end());
    const Config config = load_config("", keys);
    runtime::set_up_gpu_math(config.float32_precision, config.cudnn_benchmark);
    auto model = build_model(config.model, torch::Device(device));
    Comm alone;
    return score_sets(model, config, test_plan(config), alone, config.output_dir, false).front();
  }

  static TempFolder* folder_;
};
TempFolder* ScoringOnAGpu::folder_ = nullptr;

TEST_F(ScoringOnAGpu, EveryOptionGivesTheCpusLabels) {
  const size_t before = misuses();
  for (const std::vector<std::string>& keys : std::initializer_list<std::vector<std::string>>{
           {},
           {"TEST.RULE", "mmseg"},
           {"TEST.KEEP_ASPECT", "True"},
           {"TEST.SLIDING_WINDOW.ENABLED", "True", "TEST.SLIDING_WINDOW.SIZE", "64",
            "TEST.SLIDING_WINDOW.STRIDE", "32", "TEST.SHORT_SIDE", "96"},
           {"TEST.SLIDING_WINDOW.ENABLED", "True", "TEST.SLIDING_WINDOW.SIZE", "64",
            "TEST.SLIDING_WINDOW.STRIDE", "32", "TEST.SHORT_SIDE", "96",
            "TEST.SLIDING_WINDOW.AVERAGE", "features"},
           {"TEST.AUG.ENABLED", "True", "TEST.AUG.MIN_SIZES", "[48, 64]", "TEST.AUG.FLIP", "True"},
           {"TEST.SYNONYMS", "max"},
           {"TEST.BACKGROUND.MODE", "threshold", "TEST.BACKGROUND.THRESHOLD", "0.3"},
           {"TEST.BACKGROUND.MODE", "words", "TEST.BACKGROUND.WORDS", at("words.json")},
           {"TEST.REFINE", "pamr", "TEST.PAMR.ITERATIONS", "2", "TEST.PAMR.DILATIONS", "[1, 2]"},
           {"MODEL.PRECISION", "bfloat16"},
           {"MODEL.TEXT_PRECISION", "float16"}}) {
    const std::string what = keys.empty() ? "defaults" : keys[0] + " " + keys[1];
    const auto actual = score(device(), keys).confusion.counts();
    const auto expected = score("cpu", keys).confusion.counts();
    int64_t moved = 0, all = 0;
    for (size_t i = 0; i < expected.size(); ++i) {
      moved += std::abs(actual[i] - expected[i]);
      all += expected[i];
    }
    // Rounding moves pixels where two classes are alike; lower precision moves more of them.
    const double share = what.find("float16") == std::string::npos ? 0.001 : 0.1;
    EXPECT_LE(moved, share * 2 * static_cast<double>(all)) << what;
  }
  EXPECT_EQ(misuses(), before);
}

TEST_F(ScoringOnAGpu, TheHostWaitsTwiceABatchAtMost) {
  if (!kFakeGpu) GTEST_SKIP() << "only a fake GPU counts the waits of all threads";
  score(device(), {});  // keeps the class names' embeddings
  const auto waits = [](const char* batch) {
    return waits_in([&] { score(device(), {"TEST.BATCH_SIZE", batch}); });
  };
  // What the batches have in common, such as the class names, cancels out.
  EXPECT_LE(waits("4") - waits("16"), 2 * 3);
}

}  // namespace
}  // namespace pixelclip::testing
