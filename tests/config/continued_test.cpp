#include "config/continued.hpp"

#include "base/file.hpp"
#include "config/writer.hpp"
#include "support/support.hpp"

namespace pixelclip {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(ContinuedConfig, AFileWithTheSameValuesStaysAsItIs) {
  const std::string earlier =
      "# notes\nSOLVER:\n  MAX_ITER: 40000\nMODEL:\n  RPN: {NMS_THRESH: 0.7}\n";
  const auto same = continued_yaml(Config(), earlier, "config.yaml");
  ASSERT_TRUE(same);
  EXPECT_EQ(same->text, earlier);
  EXPECT_TRUE(same->changes.empty());
}

TEST(ContinuedConfig, ChangedValuesAreSetAndKeysOfOtherProgramsStay) {
  const std::string earlier =
      "MODEL:\n  RPN:\n    BBOX_REG_WEIGHTS: &id002\n    - 1.0\n    - 2.5\n    HEAD_NAME: "
      "StandardRPNHead\n"
      "    NORM: ''\n  RETINANET: {WEIGHTS: *id002, ON: false, X: null}\nSOLVER:\n  MAX_ITER: 4\n  "
      "STEPS:\n  - 3\n"
      "OUTPUT_DIR: 'a: b'\n";
  Config config;
  config.solver.max_iter = 6;
  config.solver.steps = {3};
  config.output_dir = "say \"x\"";
  config.datasets.train = {"sam_resized"};
  const auto continued = continued_yaml(config, earlier, "config.yaml");
  ASSERT_TRUE(continued);
  EXPECT_THAT(continued->changes, ElementsAre("SOLVER.MAX_ITER: 4 → 6",
                                              HasSubstr("DATASETS.TRAIN: [] → [\"sam_resized\"]"),
                                              HasSubstr("OUTPUT_DIR")));
  EXPECT_THAT(continued->text, HasSubstr("  RPN:\n    BBOX_REG_WEIGHTS: [1.0, 2.5]\n    HEAD_NAME: "
                                         "\"StandardRPNHead\"\n    NORM: \"\"\n"));
  EXPECT_THAT(continued->text, HasSubstr("    WEIGHTS: [1.0, 2.5]\n    ON: false\n    X: null\n"));
  // What is written reads back as the run's values.
  const auto again = continued_yaml(config, continued->text, "config.yaml");
  ASSERT_TRUE(again);
  EXPECT_TRUE(again->changes.empty());
}

TEST(ContinuedConfig, ThisProgramsOwnFileReadsBack) {
  const testing::TempFolder folder;
  Config before, after;
  after.solver.max_iter = 7;
  after.input.min_size_train = {40, 50};
  const auto continued = continued_yaml(after, to_yaml(before), "config.yaml");
  ASSERT_TRUE(continued);
  write_text(folder / "config.yaml", continued->text);
  EXPECT_EQ(to_yaml(load_config(folder / "config.yaml")), to_yaml(after));
}

TEST(ContinuedConfig, FilesWithBasesAreWrittenAgainAndBrokenOnesReported) {
  EXPECT_FALSE(continued_yaml(Config(), "_BASE_: a.yaml\nSEED: 1\n", "config.yaml"));
  EXPECT_ERROR(continued_yaml(Config(), "SEED: [1\n", "config.yaml"), HasSubstr("config.yaml"));
}

}  // namespace
}  // namespace pixelclip
