#include <torch/utils.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "pixelclip/config/config.hpp"
#include "pixelclip/engine/build.hpp"
#include "pixelclip/engine/run.hpp"
#include "pixelclip/engine/trainer.hpp"
#include "pixelclip/io/safetensors.hpp"
#include "pixelclip/io/torch_file.hpp"
#include "support/tensors.hpp"

namespace pixelclip {
namespace {

using testing::TempFolder;
namespace fs = std::filesystem;

constexpr char kClip[] = "sem_seg_head.predictor.clip_model.";

/// The public model embeds the words of the prompt sentence once, with the CLIP it is built from, before it
/// loads MODEL.WEIGHTS. Behind these numbers that CLIP had drawn its parameters in the order of their names from seed
/// 99, and only the checkpoint got other token embeddings. With real weights both are the same.
Value with_the_sentence_of_the_public_run(const fs::path& checkpoint) {
  const auto file = read_torch_file(checkpoint);
  Dict model = file.as_dict().at("model").as_dict();
  torch::manual_seed(99);
  torch::Tensor tokens;
  for (auto& [key, value] : model.items) {
    const auto name = key.as_string();
    const bool is_tokens = name.ends_with("token_embedding.weight");
    if (name.starts_with(kClip) && !name.ends_with("logit_scale")) {
      const auto drawn = torch::randn(value.as_tensor().sizes());
      if (is_tokens) tokens = drawn * 0.05;
    }
    if (is_tokens) value = tokens;  // the teacher keeps the student's
  }
  return Dict{{{"model", model}}};
}

std::vector<double> losses_in(const fs::path& metrics) {
  std::vector<double> losses;
  std::ifstream in(metrics);
  for (std::string line; std::getline(in, line);) losses.push_back(nlohmann::json::parse(line).at("total_loss"));
  return losses;
}

TEST(GoldenTraining, MeetsThePublicRunFromTheFilesOnDisk) {
  SKIP_WITHOUT_SHARED();
  const auto golden = testing::shared_folder() / "golden";
  const auto expected = read_safetensors(golden / "train_vit/after.safetensors").tensors;
  TempFolder folder;
  write_torch_file(folder / "start.pth", with_the_sentence_of_the_public_run(golden / "vit/model.pth"));

  RunOptions options;
  options.config_file = std::string(PIXELCLIP_SOURCE_DIR) + "/configs/pixelclip_vit_base.yaml";
  std::ifstream run(golden / "train_vit/run.json");
  const auto settings = nlohmann::json::parse(run);
  for (const auto& [key, value] : settings.at("opts").items()) {
    options.overrides.insert(options.overrides.end(), {key, value.get<std::string>()});
  }
  // That run did not pad its pictures of 160×208 pixels.
  for (const auto& text : {"INPUT.SIZE_DIVISIBILITY", "-1", "TEST.EVAL_PERIOD", "0", "MODEL.DEVICE", "cpu"}) {
    options.overrides.emplace_back(text);
  }
  options.overrides.insert(options.overrides.end(),
                           {"MODEL.WEIGHTS", folder / "start.pth", "OUTPUT_DIR", folder / "out",
                            "DATASETS.SAM_ROOT", golden / "train_vit"});
  ASSERT_EQ(run_on_ranks(options, Purpose::train, "", [](Config& config, Comm& comm) {
    Trainer(config, build_model(config, torch::kCPU), comm, /*resume=*/false).run();
    return 0;
  }), 0);

  const auto losses = losses_in(folder / "out/metrics.json");
  ASSERT_EQ(losses.size(), 4u);
  for (int i = 0; i < 4; ++i) EXPECT_NEAR(losses[i], expected.at("losses")[i].item<double>(), 1e-5) << "step " << i;
  const auto after = read_state_dict(folder / "out/model_final.pth");
  // Where a gradient is nearly zero, AdamW turns its last bits into a whole step.
  int64_t elements = 0, beside = 0;
  for (const auto& [name, tensor] : expected) {
    if (name == "losses") continue;
    const auto off = (after.at(name) - tensor).abs();
    EXPECT_LT(off.max().item<double>(), name.ends_with("prompt_tokens") ? 2e-3 : 2e-4) << name << ": more than a step";
    elements += off.numel();
    beside += off.gt(1e-6 + 1e-4 * 2e-3).sum().item<int64_t>();
  }
  EXPECT_LT(beside * 200, elements) << beside << " of " << elements << " elements are beside the public run's";
}

}  // namespace
}  // namespace pixelclip
