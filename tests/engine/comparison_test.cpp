#include "engine/comparison.hpp"

#include <torch/utils.h>

#include <nlohmann/json.hpp>

#include "base/file.hpp"
#include "clip/shared_trunk.hpp"
#include "engine/model_factory.hpp"
#include "engine/scoring.hpp"
#include "support/device.hpp"
#include "support/tensors.hpp"

namespace pixelclip {
namespace {

using ::testing::HasSubstr;
using testing::shared_folder;
using ::testing::SizeIs;
using testing::TempFolder;

Config golden_config(const TempFolder& folder, const std::string& method = "pixelclip") {
  const auto golden = shared_folder() / "golden";
  return load_config(testing::test_files() / "configs/pixelclip_vit_base.yaml",
                     {"MODEL.DEVICE", testing::device(), "MODEL.WEIGHTS", golden / "vit/model.pth",
                      "MODEL.SEM_SEG_HEAD.NUM_CLASSES", "8", "MODEL.CLIP_RESOLUTION", "(96, 96)",
                      "TEST.PROMPT_ENSEMBLE_TYPE", "single", "TEST.PROTOCOL",
                      "('ade20k_150_test_sem_seg',)", "DATASETS.ROOT", golden / "data/datasets",
                      "MODEL.DENSE.METHOD", method, "OUTPUT_DIR", folder / "out"});
}

/// The share of pixels that two runs label differently, at least.
double differing(const Confusion& a, const Confusion& b) {
  const auto here = torch::tensor(a.counts()), there = torch::tensor(b.counts());
  return (here - there).abs().sum().item<double>() / (2 * here.sum().item<double>());
}

TEST(Compare, EachWayEqualsItsOwnEvaluation) {
  SKIP_WITHOUT_SHARED();
  const TempFolder folder;
  const Config config = golden_config(folder);
  Comm comm(WorldInfo(), testing::test_device());
  std::vector<std::string> methods = {"pixelclip", "naclip"};
  if (testing::test_device().is_cpu()) methods.push_back("maskclip");  // slow on the fake GPU
  const auto report = compare(config, {.methods = methods}, comm);
  ASSERT_THAT(report.sets, SizeIs(1));
  for (size_t m = 0; m < methods.size(); ++m) {
    const TempFolder alone;
    const Config own = golden_config(alone, methods[m]);
    auto model = build_model(own.model, testing::test_device());
    const auto expected =
        score_sets(model, own, protocol_plan(own), comm, own.output_dir, true).front();
    const SetResult& got = report.sets[0].comparison.results[m];
    EXPECT_EQ(report.ways[m].name, methods[m]);
    // On a GPU the images of a batch may come together in another way.
    EXPECT_LE(differing(got.confusion, expected.confusion),
              testing::test_device().is_cpu() ? 0 : 0.001)
        << methods[m];
    EXPECT_EQ(got.fingerprint, expected.fingerprint) << methods[m];
  }
  EXPECT_FALSE(report.sets[0].comparison.contested.empty());
}

TEST(Compare, WritesTheTableThePageAndTheNumbers) {
  SKIP_WITHOUT_SHARED();
  const TempFolder folder;
  const Config config = golden_config(folder);
  Comm comm(WorldInfo(), testing::test_device());
  const auto report = compare(config, {.methods = {"pixelclip", "vanilla"}}, comm);
  write_comparison(folder / "out", report);
  const auto json = read_json(folder / "out/results.json");
  ASSERT_THAT(json["ways"], SizeIs(2));
  EXPECT_EQ(json["ways"][1]["method"], "vanilla");
  EXPECT_DOUBLE_EQ(json["ways"][1]["sets"]["ade20k_150_test_sem_seg"]["sem_seg"]["mIoU"],
                   score_of(report.sets[0].comparison.results[1].scores, "mIoU"));
  EXPECT_THAT(read_text(folder / "out/results.md"), HasSubstr("| vanilla |"));
  EXPECT_THAT(read_text(folder / "out/results.csv"),
              HasSubstr("mIoU,ade20k_150_test_sem_seg,mean"));
  const std::string page = read_text(folder / "out/report.html");
  EXPECT_THAT(page, HasSubstr("Images on which the ways disagree most"));
  EXPECT_THAT(page, HasSubstr("by the difference between the ways"));
}

TEST(Compare, RefusesTwoEqualWaysAndUnknownMethods) {
  SKIP_WITHOUT_SHARED();
  const TempFolder folder;
  const Config config = golden_config(folder);
  Comm comm(WorldInfo(), testing::test_device());
  EXPECT_ERROR(compare(config, {.methods = {"kk", "kk"}}, comm),
               HasSubstr("two ways are called kk"));
  EXPECT_ERROR(compare(config, {.methods = {"mask"}}, comm), HasSubstr("mask"));
}

TEST(SharedTrunk, ComputesOnceForAllMembersAndAgainForOtherInputs) {
  SharedTrunk trunk({{.method = DenseMethod::vanilla}, {.method = DenseMethod::kk}});
  int computed = 0;
  const auto ask = [&](size_t member, double value) {
    const auto inputs = torch::full({1, 3, 2, 2}, value);
    return trunk
        .features(member, inputs,
                  [&](const std::vector<DenseOptions>& methods) {
                    ++computed;
                    std::vector<torch::Tensor> features;
                    for (const DenseOptions& method : methods)
                      features.push_back(
                          torch::full({1}, value + (method.method == DenseMethod::kk ? 10 : 0)));
                    return features;
                  })
        .item<double>();
  };
  EXPECT_EQ(ask(0, 1), 1);
  EXPECT_EQ(ask(0, 2), 2);
  EXPECT_EQ(computed, 2);
  EXPECT_EQ(ask(1, 1), 11);
  EXPECT_EQ(ask(1, 2), 12);
  EXPECT_EQ(computed, 2);
  EXPECT_EQ(ask(1, 2), 12) << "each member takes its features once";
  EXPECT_EQ(computed, 3);
  trunk.want({1});
  EXPECT_EQ(ask(1, 3), 13);
  EXPECT_EQ(ask(1, 3), 13) << "nothing was kept for a member that is not wanted";
  EXPECT_EQ(computed, 5);
}

}  // namespace
}  // namespace pixelclip
