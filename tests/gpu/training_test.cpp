#include <nlohmann/json.hpp>

#include "base/file.hpp"
#include "data/synthetic_sa1b.hpp"
#include "gpu/gpu.hpp"
#include "io/torch_file.hpp"
#include "support/tensors.hpp"
#include "support/tiny_convnext.hpp"
#include "support/tiny_dino.hpp"

// Whole training runs of the program on a GPU, beside the same on the CPU.
namespace pixelclip::testing {
namespace {

using ::testing::HasSubstr;

class TrainingOnAGpu : public ::testing::Test {
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
FLOAT32_PRECISION: highest
SEED: 7
)");
  }
  static void TearDownTestSuite() { delete folder_; }

  static fs::path at(const std::string& name) { return *folder_ / name; }

  static std::vector<std::string> command(const std::string& output, const std::string& backbone,
                                          const std::string& device,
                                          const std::vector<std::string>& flags = {},
                                          const std::vector<std::string>& changes = {}) {
    std::vector<std::string> command = {"train", "--config-file", at("tiny.yaml")};
    command.insert(command.end(), flags.begin(), flags.end());
    command.insert(command.end(),
                   {"MODEL.DEVICE", device, "OUTPUT_DIR", at(output), "DATASETS.SAM_ROOT",
                    at("sam"), "MODEL.SEM_SEG_HEAD.CLIP_PRETRAINED", at(backbone + ".pth"),
                    "MODEL.SEM_SEG_HEAD.CLIP_FINETUNE", backbone == "vit" ? "attention" : "full"});
    command.insert(command.end(), changes.begin(), changes.end());
    return command;
  }

  static Outcome run(const std::string& output, const std::string& backbone,
                     const std::string& device, const std::vector<std::string>& flags = {},
                     const std::vector<std::string>& changes = {}) {
    fs::create_directories(at("report_" + output));
    return Program(command(output, backbone, device, flags, changes),
                   {{"FAKE_CUDA_REPORT", at("report_" + output)}}, program())
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
    const auto gpu = name + "_gpu", cpu = name + "_cpu";
    const auto outcome = run(gpu, backbone, device(), {}, changes);
    ASSERT_EQ(outcome.status, 0) << outcome.output;
    ASSERT_EQ(run(cpu, backbone, "cpu", {}, changes).status, 0);
    const auto actual = losses(gpu), expected = losses(cpu);
    ASSERT_EQ(actual.size(), 4u);
    for (size_t i = 0; i < 4; ++i) EXPECT_NEAR(actual[i], expected[i], tolerance) << i;
    expect_proper_use(at("report_" + gpu), 0);
  }

  static TempFolder* folder_;
};
TempFolder* TrainingOnAGpu::folder_ = nullptr;

TEST_F(TrainingOnAGpu, BothBackbonesHaveTheCpusLosses) {
  expect_equal_runs("vit", "vit", kFakeGpu ? 1e-5 : 1e-4);
  expect_equal_runs("convnext", "convnext", kFakeGpu ? 1e-5 : 1e-4);
}

TEST_F(TrainingOnAGpu, InLowerPrecisionTheLossesAreClose) {
  expect_equal_runs("bf16", "vit", 0.05,
                    {"SOLVER.AMP.ENABLED", "True", "SOLVER.AMP.DTYPE", "bfloat16"});
  const auto outcome = run("fp16", "convnext", device(), {},
                           {"SOLVER.AMP.ENABLED", "True", "SOLVER.AMP.DTYPE", "float16"});
  ASSERT_EQ(outcome.status, 0) << outcome.output;
  for (const double loss : losses("fp16")) EXPECT_TRUE(std::isfinite(loss));
}

TEST_F(TrainingOnAGpu, DinosMasksAndAccumulatedStepsHaveTheCpusLosses) {
  // A pixel between two clusters may go to either on a GPU.
  expect_equal_runs(
      "dino", "vit", kFakeGpu ? 1e-4 : 1e-2,
      {"MODEL.DINO", "True", "MODEL.DINO_WEIGHTS", at("dino.pth"), "MODEL.DINO_CLUSTERS", "4",
       "SOLVER.ACCUMULATE_STEPS", "2", "VIS_PERIOD", "2"});
}

/// Succeeds when two runs ended with the same bits.
::testing::AssertionResult same_parameters(const fs::path& actual, const fs::path& expected) {
  const auto a = read_state_dict(actual / "model_0000003.pth"),
             e = read_state_dict(expected / "model_0000003.pth");
  for (const auto& [name, tensor] : e) {
    const auto result = close(a.at(name), tensor, 0);
    if (!result) return ::testing::AssertionFailure() << name << ": " << result.message();
  }
  return ::testing::AssertionSuccess();
}

TEST_F(TrainingOnAGpu, TheSameRunTwiceGivesTheSameParameters) {
  for (const std::string backbone : {"vit", "convnext"}) {
    ASSERT_EQ(run("once_" + backbone, backbone, device()).status, 0);
    ASSERT_EQ(run("twice_" + backbone, backbone, device()).status, 0);
    EXPECT_TRUE(same_parameters(at("twice_" + backbone), at("once_" + backbone))) << backbone;
  }
}

TEST_F(TrainingOnAGpu, DeterministicModeRefusesNoOperationOfTraining) {
  const std::vector<std::string> keys = {"DETERMINISTIC", "True"};
  for (const std::string backbone : {"vit", "convnext"}) {
    for (const std::string name : {"fixed_", "refixed_"}) {
      const auto outcome = run(name + backbone, backbone, device(), {}, keys);
      ASSERT_EQ(outcome.status, 0) << outcome.output;
    }
    EXPECT_TRUE(same_parameters(at("refixed_" + backbone), at("fixed_" + backbone))) << backbone;
  }
}

TEST_F(TrainingOnAGpu, BothLayoutsOfDepthwiseConvolutionsHaveTheSameLosses) {
  const auto outcome =
      run("planes", "convnext", device(), {}, {"MODEL.DEPTHWISE_CHANNELS_LAST", "False"});
  ASSERT_EQ(outcome.status, 0) << outcome.output;
  ASSERT_EQ(run("last", "convnext", device()).status, 0);
  const auto actual = losses("planes"), expected = losses("last");
  for (size_t i = 0; i < 4; ++i) EXPECT_NEAR(actual[i], expected[i], kFakeGpu ? 1e-5 : 1e-4) << i;
}

TEST_F(TrainingOnAGpu, ADeviceThatIsMissingOrSharedIsRefusedInOneSentence) {
  if (gpus() == 0) GTEST_SKIP() << "no GPU here";
  const auto refused = [](const std::string& named, const std::string& count) {
    const auto outcome =
        run("refused", "vit", named, {"--num-gpus", count}, {"SOLVER.IMS_PER_BATCH", count});
    EXPECT_NE(outcome.status, 0) << named << " " << count;
    return outcome.output;
  };
  EXPECT_THAT(refused(str("cuda:", gpus() + 5), "1"), HasSubstr(str("this process sees ", gpus())));
  EXPECT_THAT(refused("cuda", str(gpus() + 1)), HasSubstr(str("shows ", gpus(), " GPU")));
  if (gpus() > 1) {
    EXPECT_THAT(refused("cuda:1", "2"), HasSubstr("on one GPU"));
  }
}

TEST_F(TrainingOnAGpu, AResumedRunMeetsTheWholeOne) {
  ASSERT_EQ(run("whole", "vit", device()).status, 0);
  ASSERT_EQ(run("parts", "vit", device(), {}, {"SOLVER.MAX_ITER", "2"}).status, 0);
  const auto outcome = run("parts", "vit", device(), {"--resume"});
  ASSERT_EQ(outcome.status, 0) << outcome.output;
  EXPECT_TRUE(same_parameters(at("parts"), at("whole")));
}

/// As many ranks as there are GPUs; two on the CPU.
int ranks() { return gpus() == 0 ? 2 : gpus(); }

TEST_F(TrainingOnAGpu, EachRankHasAGpuAndTheirLossesAreThoseOfOne) {
  if (ranks() < 2) GTEST_SKIP() << "one GPU here";
  const auto count = std::to_string(ranks());
  const std::vector<std::string> batch = {"SOLVER.IMS_PER_BATCH", std::to_string(2 * ranks())};
  auto in_parts = batch;
  in_parts.insert(in_parts.end(), {"SOLVER.ACCUMULATE_STEPS", count});
  const auto outcome = run("ranks", "vit", device(), {"--num-gpus", count}, batch);
  ASSERT_EQ(outcome.status, 0) << outcome.output;
  ASSERT_EQ(run("alone", "vit", device(), {}, in_parts).status, 0);
  const auto actual = losses("ranks"), expected = losses("alone");
  ASSERT_EQ(actual.size(), 4u);
  for (size_t i = 0; i < 4; ++i) EXPECT_NEAR(actual[i], expected[i], kFakeGpu ? 1e-5 : 1e-4) << i;
  for (int rank = 0; rank < ranks(); ++rank) expect_proper_use(at("report_ranks"), rank);
}

/// A process that `parent` has started; `parent` itself where it has started none.
pid_t child_of(pid_t parent) {
  std::ifstream children(str("/proc/", parent, "/task/", parent, "/children"));
  pid_t child = parent;
  children >> child;
  return child;
}

TEST_F(TrainingOnAGpu, AKilledRankEndsTheRunWhichThenResumes) {
  const std::vector<std::string> all = {"--num-gpus", std::to_string(ranks())};
  const auto batch = std::to_string(2 * ranks());
  Program whole(command("killed", "vit", device(), all,
                        {"SOLVER.MAX_ITER", "1000000", "SOLVER.CHECKPOINT_KEEP", "2",
                         "SOLVER.IMS_PER_BATCH", batch}),
                {}, program());
  ASSERT_TRUE(wait_until(60, [] { return fs::exists(at("killed/last_checkpoint")); }))
      << whole.output();
  kill(child_of(whole.process()), SIGKILL);
  const auto killed = whole.wait();
  EXPECT_NE(killed.status, 0) << killed.output;
  if (ranks() > 1) {
    EXPECT_THAT(killed.output, HasSubstr("rank "));
  }
  const std::string newest = read_text(at("killed/last_checkpoint"));
  const int last = std::stoi(newest.substr(newest.find('_') + 1)) + 2;
  const auto resumed =
      run("killed", "vit", device(), {"--resume", all[0], all[1]},
          {"SOLVER.MAX_ITER", std::to_string(last + 1), "SOLVER.IMS_PER_BATCH", batch});
  EXPECT_EQ(resumed.status, 0) << resumed.output;
  EXPECT_TRUE(
      fs::exists(at("killed") /
                 str("model_", std::string(7 - std::to_string(last).size(), '0'), last, ".pth")))
      << resumed.output;
}

}  // namespace
}  // namespace pixelclip::testing
