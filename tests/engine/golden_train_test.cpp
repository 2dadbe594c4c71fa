#include <torch/utils.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "io/safetensors.hpp"
#include "support/program.hpp"
#include "support/tensors.hpp"

namespace pixelclip {
namespace {

using testing::TempFolder;
namespace fs = std::filesystem;

std::vector<double> losses_in(const fs::path& metrics) {
  std::vector<double> losses;
  std::ifstream in(metrics);
  for (std::string line; std::getline(in, line);)
    losses.push_back(nlohmann::json::parse(line).at("total_loss"));
  return losses;
}

class GoldenTraining : public ::testing::TestWithParam<const char*> {};

TEST_P(GoldenTraining, MeetsThePublicRunFromTheFilesOnDisk) {
  SKIP_WITHOUT_SHARED();
  const std::string kind = GetParam();
  const auto golden = testing::shared_folder() / "golden", set = golden / ("train_" + kind);
  const auto expected = read_safetensors(set / "after.safetensors").tensors;
  std::ifstream run(set / "run.json");
  const auto settings = nlohmann::json::parse(run);
  const TempFolder folder;
  std::vector<std::string> command = {
      "--train", "anew", "1",
      std::string(PIXELCLIP_SOURCE_DIR) + "/" + settings.at("base").get<std::string>(),
      "TEST.EVAL_PERIOD", "0", "MODEL.DEVICE", "cpu", "SEED", "7", "MODEL.WEIGHTS",
      golden / kind / "model.pth", "OUTPUT_DIR", folder / "out", "DATASETS.SAM_ROOT", set,
      // The public run left out stochastic depth.
      "MODEL.DROP_PATH_RATE", "0"};
  for (const auto& [key, value] : settings.at("opts").items()) {
    command.insert(command.end(), {key, value.get<std::string>()});
  }
  const auto outcome = testing::Program(command).wait();
  ASSERT_EQ(outcome.status, 0) << outcome.output;

  const auto losses = losses_in(folder / "out/metrics.json");
  ASSERT_EQ(losses.size(), 4u);
  for (int i = 0; i < 4; ++i)
    EXPECT_NEAR(losses[i], expected.at("losses")[i].item<double>(), 1e-6) << "step " << i;
  const auto after = read_state_dict(folder / "out/model_final.pth");
  double worst = 0;
  for (const auto& [name, tensor] : expected) {
    if (name == "losses") continue;
    const double rate = name.ends_with("prompt_tokens") ? 2e-3 : 2e-4;
    EXPECT_TRUE(testing::close(after.at(name), tensor, 0, 1e-6 + 1e-4 * rate)) << name;
    worst = std::max(
        worst, (after.at(name).to(torch::kDouble) - tensor).abs().max().item<double>() / rate);
  }
  std::cout << "largest difference of a parameter over its learning rate: " << worst << "\n";
}

INSTANTIATE_TEST_SUITE_P(Backbones, GoldenTraining, ::testing::Values("vit", "convnext"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace pixelclip
