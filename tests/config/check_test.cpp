#include <functional>

#include "base/file.hpp"
#include "config/check.hpp"
#include "config/class_names.hpp"
#include "config/config.hpp"
#include "support/support.hpp"

namespace pixelclip {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using testing::TempFolder;

/// A configuration that passes, and its class list.
class Check : public ::testing::Test {
 protected:
  void SetUp() override {
    write_text(folder_ / "names.json", R"(["cat", "dog"])");
    good_.model.sem_seg_head.train_class_json = "";
    good_.model.sem_seg_head.test_class_json = (folder_ / "names.json").string();
    good_.datasets.train = {"sam_resized"};
  }
  void expect(const std::function<void(Config&)>& change, const std::string& message,
              int ranks = 1) {
    Config config = good_;
    change(config);
    EXPECT_ERROR(check(config, ranks), HasSubstr(message));
  }
  Config good_;
  TempFolder folder_;
};

TEST_F(Check, AGoodConfigurationPasses) {
  EXPECT_NO_THROW(check(good_));
  EXPECT_NO_THROW(check(good_, 16));
}

TEST_F(Check, TheBestMetricIsAScore) {
  expect([](Config& c) { c.test.best_metric = "miou"; }, "TEST.BEST_METRIC is miou");
  good_.test.best_metric = "IoU-cat";
  EXPECT_NO_THROW(check(good_));
}

TEST_F(Check, TheBatchMustDivideByRanksAndAccumulation) {
  expect([](Config& c) { c.solver.ims_per_batch = 10; }, "SOLVER.IMS_PER_BATCH is 10", 4);
  expect([](Config& c) { c.solver.accumulate_steps = 3; }, "a multiple of 2 ranks times", 2);
  good_.solver.accumulate_steps = 4;
  EXPECT_NO_THROW(check(good_, 4));
  expect([](Config&) {}, "multiple of 8 ranks", 8);
  EXPECT_NO_THROW(check(good_, 7, Purpose::evaluate));
}

TEST_F(Check, ClassFilesMustExistAndParse) {
  expect([](Config& c) { c.model.sem_seg_head.test_class_json = "nowhere/x.json"; },
         "MODEL.SEM_SEG_HEAD.TEST_CLASS_JSON: there is no file nowhere/x.json");
  write_text(folder_ / "bad.json", R"({"a": 1})");
  expect(
      [&](Config& c) { c.model.sem_seg_head.train_class_json = (folder_ / "bad.json").string(); },
      "MODEL.SEM_SEG_HEAD.TRAIN_CLASS_JSON: ");
}

TEST_F(Check, NamedFilesMustExist) {
  expect([](Config& c) { c.model.weights = "none.pth"; },
         "MODEL.WEIGHTS: there is no file none.pth");
  expect([&](Config& c) { c.model.weights = folder_.path().string(); },
         "is a folder; expected a file");
  expect([](Config& c) { c.model.sem_seg_head.clip_pretrained = "a/none.pt"; },
         "MODEL.SEM_SEG_HEAD.CLIP_PRETRAINED: there is no file a/none.pt");
  expect([](Config& c) { c.model.sem_seg_head.clip_pretrained = ""; }, "are both empty");
  expect([](Config& c) { c.model.prompt_templates_file = "t.txt"; }, "MODEL.PROMPT_TEMPLATES_FILE");
  expect([](Config& c) { c.model.dino = true, c.model.dino_weights = "none.pth"; },
         "MODEL.DINO_WEIGHTS: there is no file none.pth");
  auto& set = good_.datasets.custom.emplace_back();
  set.name = "a";
  set.images = "none";
  EXPECT_NO_THROW(check(good_)) << "nobody uses it";
  expect([](Config& c) { c.datasets.train = {"a"}; }, "the set a: there is no none");
}

TEST_F(Check, ContradictionsAreNamed) {
  expect([](Config& c) { c.datasets.train.clear(); }, "DATASETS.TRAIN is empty");
  expect([](Config& c) { c.model.device = "gpu"; }, "MODEL.DEVICE is \"gpu\"");
  expect([](Config& c) { c.output_dir = ""; }, "OUTPUT_DIR is empty");
  expect([](Config& c) { c.solver.steps = {5, 3}; }, "SOLVER.STEPS must ascend");
  expect(
      [](Config& c) {
        c.input.crop = {true, CropType::absolute, {0.5, 640}, 1.0};
      },
      "needs whole pixels");
  expect(
      [](Config& c) {
        c.input.crop = {true, CropType::relative, {640, 640}, 1.0};
      },
      "needs shares");
  expect([](Config& c) { c.input.min_size_train = {}; }, "INPUT.MIN_SIZE_TRAIN is empty");
  expect([](Config& c) { c.input.min_size_train_sampling = SizeSampling::range; },
         "two ascending sizes");
  expect(
      [](Config& c) {
        c.test.sliding_window = {true, {64, 64}, {65, 1}, WindowAverage::logits};
      },
      "STRIDE");
  expect([](Config& c) { c.test.aug = {true, {}, 4000, true}; }, "TEST.AUG.MIN_SIZES is empty");
}

TEST_F(Check, RangesHoldForValuesSetInCodeToo) {
  expect([](Config& c) { c.model.precision = FloatType::float16; },
         "MODEL.PRECISION is \"float16\"; expected one of");
  expect([](Config& c) { c.model.eps = std::nan(""); }, "MODEL.EPS is nan; expected a number");
  expect([](Config& c) { c.model.clip_resolution = {0, 1}; }, "MODEL.CLIP_RESOLUTION is [0, 1]");
}

TEST(PublicConfigs, PassTheChecksOnFourRanks) {
  for (const char* name : {"pixelclip_vit_base.yaml", "pixelclip_convnext_base.yaml"}) {
    const auto path = std::filesystem::path(PIXELCLIP_SOURCE_DIR) / "configs" / name;
    EXPECT_NO_THROW(check(load_config(path), 4));
    EXPECT_ERROR(check(load_config(path), 5), HasSubstr("SOLVER.IMS_PER_BATCH is 48"));
  }
}

TEST(ClassNames, AreAListOrANumberedMap) {
  const TempFolder folder;
  write_text(folder / "list.json", R"(["wall", "sky, clouds"])");
  EXPECT_THAT(read_class_names(folder / "list.json"), ElementsAre("wall", "sky, clouds"));
  std::string map = "{";
  for (int i = 11; i >= 0; --i) map += str('"', i, "\": \"n", i, i ? "\"," : "\"}");
  write_text(folder / "map.json", map);
  const auto names = read_class_names(folder / "map.json");
  EXPECT_EQ(names.size(), 12u);
  EXPECT_EQ(names[2], "n2");
  EXPECT_EQ(names[11], "n11");
}

TEST(ClassNames, OfAnotherFormAreRefused) {
  const TempFolder folder;
  const auto expect = [&](const std::string& text, const std::string& message) {
    write_text(folder / "x.json", text);
    EXPECT_ERROR(read_class_names(folder / "x.json"),
                 AllOf(HasSubstr("x.json"), HasSubstr(message)));
  };
  expect("3", "expected a list of class names");
  expect("[]", "holds no class names");
  expect("[\"a\", 2]", "class 1 is not a text");
  expect("[\"a\", \" \"]", "the name of class 1 is empty");
  expect("{\"0\": \"a\", \"2\": \"b\"}", "without the key \"1\"");
  expect("[\"a\"", "");
  EXPECT_THROW(read_class_names(folder / "none.json"), Error);
}

TEST(ClassNames, AreLookedForInTheSourceTreeToo) {
  const auto before = std::filesystem::current_path();
  const TempFolder elsewhere;
  std::filesystem::current_path(elsewhere.path());
  const auto found = find_data_file("configs/base.yaml");
  const auto missing = find_data_file("configs/none.yaml");
  write_text(elsewhere / "CMakeLists.txt", "own");
  const auto own = find_data_file("CMakeLists.txt");
  std::filesystem::current_path(before);
  EXPECT_EQ(found, std::filesystem::path(PIXELCLIP_SOURCE_DIR) / "configs/base.yaml");
  EXPECT_EQ(missing, "configs/none.yaml");
  EXPECT_EQ(own, "CMakeLists.txt");
}

}  // namespace
}  // namespace pixelclip
