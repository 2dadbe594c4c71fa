#include "config/config.hpp"
#include "support/support.hpp"

namespace pixelclip {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Config with(const std::vector<std::string>& overrides) { return load_config("", overrides); }

TEST(Overrides, TakeYamlAndPythonForms) {
  const Config c =
      with({"SOLVER.MAX_ITER", "7", "SOLVER.BASE_LR", "1e-4", "CUDNN_BENCHMARK", "True",
            "SOLVER.AMP.ENABLED", "true", "INPUT.CROP.SIZE", "[32, 48]", "MODEL.CLIP_RESOLUTION",
            "(96, 64)", "DATASETS.TRAIN", "(\"a\",)", "DATASETS.TEST", "[a, b]", "SEED", "-1"});
  EXPECT_EQ(c.solver.max_iter, 7);
  EXPECT_EQ(c.solver.base_lr, 1e-4);
  EXPECT_TRUE(c.cudnn_benchmark && c.solver.amp.enabled);
  EXPECT_THAT(c.input.crop.size, ElementsAre(32.0, 48.0));
  EXPECT_EQ(c.model.clip_resolution, (Size2{96, 64}));
  EXPECT_THAT(c.datasets.train, ElementsAre("a"));
  EXPECT_THAT(c.datasets.test, ElementsAre("a", "b"));
  EXPECT_EQ(c.seed, -1);
}

TEST(Overrides, MayCarryTheBackslashesOfAShell) {
  EXPECT_THAT(with({"DATASETS.TRAIN", R"(\(\"a\"\,\))"}).datasets.train, ElementsAre("a"));
  EXPECT_EQ(with({"MODEL.CLIP_RESOLUTION", R"(\(96\,\ 64\))"}).model.clip_resolution,
            (Size2{96, 64}));
  EXPECT_EQ(with({"OUTPUT_DIR", R"(a\b)"}).output_dir, R"(a\b)");
}

TEST(Overrides, OfTextsNeedNoQuotes) {
  for (const char* text :
       {"2024", "dir: x #3", "ViT-B/16", "*star", "- a", "{x", "[1", "é", "a b"}) {
    EXPECT_EQ(with({"OUTPUT_DIR", text}).output_dir, text);
  }
  EXPECT_EQ(with({"OUTPUT_DIR", "\"a b\""}).output_dir, "a b");
  EXPECT_EQ(with({"MODEL.WEIGHTS", ""}).model.weights, "");
  EXPECT_EQ(with({"MODEL.WEIGHTS", "None"}).model.weights, "");
}

TEST(Overrides, TheLastOfEqualKeysWins) { EXPECT_EQ(with({"SEED", "1", "SEED", "2"}).seed, 2); }

TEST(Overrides, ErrorsNameTheOverride) {
  EXPECT_ERROR(with({"SOLVER.BASE_LRR", "1"}),
               std::string("override: unknown key SOLVER.BASE_LRR (did you mean SOLVER.BASE_LR?)"));
  EXPECT_ERROR(with({"SOLVER.BASE_LR", "x"}),
               std::string("override: SOLVER.BASE_LR is \"x\"; expected a number, at least 0"));
  EXPECT_ERROR(
      with({"SEED", "1", "SOLVER.MAX_ITER"}),
      std::string("override: SOLVER.MAX_ITER has no value; overrides are pairs KEY VALUE"));
  EXPECT_ERROR(with({"SEED=1"}), HasSubstr("write the key and its value as two words: SEED 1"));
  EXPECT_ERROR(with({"SOLVER", "1"}), HasSubstr("SOLVER is a section"));
  EXPECT_ERROR(with({"", "1"}), HasSubstr("unknown key"));
  EXPECT_ERROR(with({"MODEL.WEIGHTS", "True"}), HasSubstr("is True; expected a text"));
  EXPECT_ERROR(with({"SOLVER.GAMMA", "[1"}), HasSubstr("override: SOLVER.GAMMA:1:1: invalid YAML"));
  EXPECT_ERROR(with({"OUTPUT_DIR", "\xff"}), HasSubstr("byte 255 is not UTF-8 text"));
}

}  // namespace
}  // namespace pixelclip
