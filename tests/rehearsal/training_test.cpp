#include <nlohmann/json.hpp>

#include "data/synthetic_sa1b.hpp"
#include "io/torch_file.hpp"
#include "rehearsal/weights.hpp"
#include "support/program.hpp"
#include "support/tensors.hpp"

// Whole training runs of the program on the fake device, beside the same on the CPU.
namespace pixelclip::testing {
namespace {

using ::testing::HasSubstr;

/// What a process left behind of the fake device.
nlohmann::json report_of(const fs::path& folder, int rank = 0) {
  std::ifstream in(folder / (std::to_string(rank) + ".json"));
  return in ? nlohmann::json::parse(in) : nlohmann::json();
}

class TrainingOnFakeCuda : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new TempFolder;
    write_tiny_clip(*folder_ / "vit.pth");
    write_tiny_convnext(*folder_ / "convnext.pth");
    write_tiny_dino(*folder_ / "dino.pth", 8, 4);
    for (int i = 0; i < 6; ++i)
      make_sample(*folder_ / "sam", str("sa_", i), 48 + 8 * i, 80 - 4 * i, i + 1);
    write_file(*folder_ / "tiny.yaml", R"(
MODEL:
  CLIP_RESOLUTION: [64, 64]
  MASK_RESOLUTION: [16, 16]
  DROP_PATH_RATE: 0
  SEM_SEG_HEAD: {NUM_CLASSES: 4, PROMPT_LENGTH: 2}
DATASETS: {TRAIN: [sam_resized]}
SOLVER: {IMS_PER_BATCH: 4, MAX_ITER: 4, BASE_LR: 0.001, LR_SCHEDULER_NAME: WarmupMultiStepLR, STEPS: [100],
         WARMUP_ITERS: 0, CLIP_MULTIPLIER: 0.01, CHECKPOINT_PERIOD: 2,
         CLIP_GRADIENTS: {ENABLED: True, CLIP_TYPE: full_model, CLIP_VALUE: 1.0}}
INPUT: {MIN_SIZE_TRAIN: [40], FORMAT: RGB, STRONG_AUG: True, COLOR_AUG_SSD: True,
        CROP: {ENABLED: True, TYPE: absolute, SIZE: [32, 32]}}
DATALOADER: {NUM_WORKERS: 2}
SEED: 7
)");
  }
  static void TearDownTestSuite() { delete folder_; }

  static fs::path at(const std::string& name) { return *folder_ / name; }

  static Outcome run(const std::string& output, const std::string& backbone,
                     const std::string& device, const std::vector<std::string>& flags = {},
                     const std::vector<std::string>& changes = {}) {
    fs::create_directories(at("report_" + output));
    std::vector<std::string> command = {"train", "--config-file", at("tiny.yaml")};
    command.insert(command.end(), flags.begin(), flags.end());
    command.insert(command.end(),
                   {"MODEL.DEVICE", device, "OUTPUT_DIR", at(output), "DATASETS.SAM_ROOT",
                    at("sam"), "MODEL.SEM_SEG_HEAD.CLIP_PRETRAINED", at(backbone + ".pth"),
                    "MODEL.SEM_SEG_HEAD.CLIP_FINETUNE", backbone == "vit" ? "attention" : "full"});
    command.insert(command.end(), changes.begin(), changes.end());
    return Program(command, {{"FAKE_CUDA_REPORT", at("report_" + output)}}, PIXELCLIP_PROGRAM)
        .wait();
  }

  static std::vector<double> losses(const std::string& output) {
    std::vector<double> losses;
    std::ifstream in(at(output) / "metrics.json");
    for (std::string line; std::getline(in, line);)
      losses.push_back(nlohmann::json::parse(line).at("total_loss"));
    return losses;
  }

  /// Trains on both devices; the losses agree within `tolerance`.
  static void expect_equal_runs(const std::string& name, const std::string& backbone,
                                double tolerance, const std::vector<std::string>& changes = {}) {
    const auto gpu = name + "_cuda", cpu = name + "_cpu";
    const auto outcome = run(gpu, backbone, "cuda", {}, changes);
    ASSERT_EQ(outcome.status, 0) << outcome.output;
    ASSERT_EQ(run(cpu, backbone, "cpu", {}, changes).status, 0);
    const auto actual = losses(gpu), expected = losses(cpu);
    ASSERT_EQ(actual.size(), 4u);
    for (size_t i = 0; i < 4; ++i) EXPECT_NEAR(actual[i], expected[i], tolerance) << i;
    const auto report = report_of(at("report_" + gpu));
    EXPECT_GT(report["operations"], 1000);
    EXPECT_TRUE(report["violations"].empty()) << report["violations"];
    EXPECT_EQ(report["contexts"], nlohmann::json({0}));
  }

  static TempFolder* folder_;
};
TempFolder* TrainingOnFakeCuda::folder_ = nullptr;

TEST_F(TrainingOnFakeCuda, BothBackbonesHaveTheCpusLosses) {
  expect_equal_runs("vit", "vit", 1e-5);
  expect_equal_runs("convnext", "convnext", 1e-5);
}

TEST_F(TrainingOnFakeCuda, InLowerPrecisionTheLossesAreClose) {
  expect_equal_runs("bf16", "vit", 0.05,
                    {"SOLVER.AMP.ENABLED", "True", "SOLVER.AMP.DTYPE", "bfloat16"});
  const auto outcome = run("fp16", "convnext", "cuda", {},
                           {"SOLVER.AMP.ENABLED", "True", "SOLVER.AMP.DTYPE", "float16"});
  ASSERT_EQ(outcome.status, 0) << outcome.output;
  for (const double loss : losses("fp16")) EXPECT_TRUE(std::isfinite(loss));
}

TEST_F(TrainingOnFakeCuda, DinosMasksAndAccumulatedStepsHaveTheCpusLosses) {
  expect_equal_runs(
      "dino", "vit", 1e-4,
      {"MODEL.DINO", "True", "MODEL.DINO_WEIGHTS", at("dino.pth"), "MODEL.DINO_CLUSTERS", "4",
       "SOLVER.ACCUMULATE_STEPS", "2", "VIS_PERIOD", "2"});
}

TEST_F(TrainingOnFakeCuda, AResumedRunMeetsTheWholeOne) {
  ASSERT_EQ(run("whole", "vit", "cuda").status, 0);
  ASSERT_EQ(run("parts", "vit", "cuda", {}, {"SOLVER.MAX_ITER", "2"}).status, 0);
  const auto outcome = run("parts", "vit", "cuda", {"--resume"});
  ASSERT_EQ(outcome.status, 0) << outcome.output;
  const auto actual = read_state_dict(at("parts/model_0000003.pth")),
             expected = read_state_dict(at("whole/model_0000003.pth"));
  for (const auto& [name, tensor] : expected)
    EXPECT_TRUE(close(actual.at(name), tensor, 0)) << name;
}

TEST_F(TrainingOnFakeCuda, TwoRanksHaveADeviceEachAndTheLossesOfOne) {
  const auto outcome = run("ranks", "vit", "cuda", {"--num-gpus", "2"});
  ASSERT_EQ(outcome.status, 0) << outcome.output;
  ASSERT_EQ(run("alone", "vit", "cuda", {}, {"SOLVER.ACCUMULATE_STEPS", "2"}).status, 0);
  const auto actual = losses("ranks"), expected = losses("alone");
  ASSERT_EQ(actual.size(), 4u);
  for (size_t i = 0; i < 4; ++i) EXPECT_NEAR(actual[i], expected[i], 1e-5) << i;
  for (const int rank : {0, 1}) {
    const auto report = report_of(at("report_ranks"), rank);
    EXPECT_TRUE(report["violations"].empty()) << report["violations"];
    EXPECT_EQ(report["contexts"], nlohmann::json({rank})) << "rank " << rank;
  }
}

}  // namespace
}  // namespace pixelclip::testing
