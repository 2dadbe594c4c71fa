#include <torch/script.h>

#include <nlohmann/json.hpp>

#include "base/file.hpp"
#include "cli/commands.hpp"
#include "command.hpp"
#include "data/sa1b_masks.hpp"
#include "image/codec.hpp"
#include "image/rle.hpp"

namespace pixelclip::cli {
namespace {
using ::testing::HasSubstr;
using testing::run_command;
using testing::shared_folder;
using testing::TempFolder;

/// Left half black, right half white.
void write_halves(const std::filesystem::path& path) {
  Image image(40, 60, 3);
  for (int64_t y = 0; y < 40; ++y) std::fill(image.row(y) + 90, image.row(y) + 180, uint8_t{255});
  write_png(path, image);
}

std::string synthetic_module(const TempFolder& folder, const std::string& body) {
  torch::jit::Module module("masks");
  module.define("def forward(self, x):\n    " + body + "\n");
  const std::string file = (folder / "module.pt").string();
  module.save(file);
  return file;
}

TEST(MasksCommand, WritesAModulesMasksAsSa1b) {
  const TempFolder folder;
  write_halves(folder / "p.png");
  const auto module = synthetic_module(
      folder,
      "return torch.stack([x[0] - 127, 127 - x[0], x[0] - 300]), torch.tensor([0.9, 0.8, 0.7])");
  const auto outcome =
      run_command(add_masks, {"masks", (folder / "p.png").string(), "--sam", module, "--out",
                              folder.path().string(), "--device", "cpu"});
  EXPECT_EQ(outcome.error, "");
  const auto json = read_json(folder / "annotations/p.json");
  EXPECT_EQ(json["image"]["width"], 60);
  EXPECT_EQ(json["image"]["file_name"], "p.png");
  ASSERT_EQ(json["annotations"].size(), 2u) << "an empty mask is none";
  const auto& white = json["annotations"][0];
  EXPECT_EQ(white["area"], 30 * 40);
  EXPECT_EQ(white["bbox"], nlohmann::json({30, 0, 30, 40}));
  EXPECT_NEAR(white["predicted_iou"], 0.9, 1e-6);
  MaskRuns runs;  // the loader's own reader takes it
  Sa1bMaskReader().read((folder / "annotations/p.json").string(), 10, runs);
  EXPECT_EQ(runs.masks.size(), 2u);
}

TEST(MasksCommand, AModuleThatGivesSomethingElseIsNamed) {
  const TempFolder folder;
  write_halves(folder / "p.png");
  const std::vector<std::string> command = {
      "masks", (folder / "p.png").string(), "--out", folder.path().string(), "--device", "cpu",
      "--sam"};
  const auto log_of = [&](const std::string& module) {
    auto words = command;
    words.push_back(module);
    const auto outcome = run_command(add_masks, words);
    return outcome.error + outcome.log;
  };
  EXPECT_THAT(log_of(synthetic_module(folder, "return x[0]")),
              HasSubstr("must give masks [M, 40, 60]"));
  EXPECT_THAT(log_of(synthetic_module(folder, "return x.view(7, 7)")),
              HasSubstr("the module fails on an image of 40 x 60"));
  write_text(folder / "text.pt", "no module");
  EXPECT_THAT(log_of((folder / "text.pt").string()), HasSubstr("is no TorchScript module"));
  EXPECT_THAT(log_of((folder / "none.pt").string()), HasSubstr("none.pt"));
}

TEST(MasksCommand, DinoClustersCoverThePictureOnce) {
  SKIP_WITHOUT_SHARED();
  const TempFolder folder;
  write_halves(folder / "p.png");
  const auto outcome =
      run_command(add_masks, {"masks", (folder / "p.png").string(), "--dino-weights",
                              (shared_folder() / "golden/dino/dino.pth").string(), "--clusters",
                              "5", "--short-side", "64", "--min-area", "0", "--out",
                              folder.path().string(), "--device", "cpu"});
  EXPECT_EQ(outcome.error, "");
  const auto json = read_json(folder / "annotations/p.json");
  std::vector<int> covered(40 * 60);
  for (const auto& mask : json["annotations"]) {
    const auto bitmap =
        rle_to_bitmap(decode_rle(mask["segmentation"]["counts"].get<std::string>(), 40, 60));
    for (size_t i = 0; i < bitmap.size(); ++i) covered[i] += bitmap[i];
  }
  EXPECT_THAT(covered, ::testing::Each(1));
  EXPECT_LE(json["annotations"].size(), 5u);
}

TEST(MasksCommand, AskForOneMaker) {
  const TempFolder folder;
  EXPECT_THAT(run_command(add_masks, {"masks", "p.png", "--out", folder.path().string()}).error,
              HasSubstr("give one of --helper, --sam and --weights"));
}

}  // namespace
}  // namespace pixelclip::cli
