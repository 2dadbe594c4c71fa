#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>

#include "base/file.hpp"
#include "engine/runs.hpp"
#include "io/torch_file.hpp"
#include "io/torch_writer.hpp"

namespace pixelclip::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

const std::vector<std::string> kLong = {"SOLVER.MAX_ITER", "40", "SOLVER.CHECKPOINT_PERIOD", "3"};

/// Waits until the run has logged `steps` steps.
bool has_done(const TinyWorld& world, const std::string& output, size_t steps) {
  return wait_until(60, [&] { return world.metrics(output).size() >= steps; });
}

TEST(Resume, AfterKillsAtSeveralStepsTheRunEndsBitForBitTheSame) {
  const TinyWorld world(/*convnext=*/true);  // with stochastic depth
  ASSERT_EQ(world.train("undisturbed", kLong), 0);
  int killed = 0;
  for (const size_t steps : {2, 3, 9, 17}) {  // around checkpoints, which are written every 3 steps
    Program program(world.command("killed", kLong, 1, /*resume=*/true));
    ASSERT_TRUE(has_done(world, "killed", steps)) << program.output();
    kill(program.process(), SIGKILL);
    killed += program.wait().status == 128 + SIGKILL;
  }
  EXPECT_GE(killed, 1);
  const Outcome last = Program(world.command("killed", kLong, 1, /*resume=*/true)).wait();
  ASSERT_EQ(last.status, 0) << last.output;
  EXPECT_TRUE(same_state(world / "killed/model_final.pth", world / "undisturbed/model_final.pth"));
  EXPECT_EQ(column(world.metrics("killed"), "total_loss"),
            column(world.metrics("undisturbed"), "total_loss"));
}

TEST(Resume, ASignalSavesAndTheRunResumesBitForBit) {
  const TinyWorld world;
  const std::vector<std::string> no_period = {"SOLVER.MAX_ITER", "60", "SOLVER.CHECKPOINT_PERIOD",
                                              "0"};
  ASSERT_EQ(world.train("undisturbed", no_period), 0);
  for (const int number : {SIGTERM, SIGUSR1, SIGINT}) {
    const size_t before = world.metrics("stopped").size();
    Program program(world.command("stopped", no_period, 1, /*resume=*/true));
    ASSERT_TRUE(has_done(world, "stopped", before + 2)) << program.output();
    kill(program.process(), number);
    const Outcome outcome = program.wait();
    EXPECT_EQ(outcome.status, 0) << outcome.output;
    EXPECT_THAT(outcome.output, AllOf(HasSubstr("stopped by a signal after "),
                                      HasSubstr("with --resume continues")));
    EXPECT_FALSE(fs::exists(world / "stopped/model_final.pth"));
  }
  ASSERT_EQ(world.train("stopped", no_period, /*resume=*/true), 0);
  EXPECT_TRUE(same_state(world / "stopped/model_final.pth", world / "undisturbed/model_final.pth"));
}

TEST(Resume, ASignalBeforeThereIsAnythingToSaveEndsTheRunWithWhatItWaitedFor) {
  const TinyWorld world;
  // The demo's world is another process's work at present, for which this one waits.
  fs::create_directories(world / "sets");
  const int lock = open((world / "sets/demo.lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  ASSERT_EQ(flock(lock, LOCK_EX), 0);
  for (const int processes : {1, 2}) {
    const std::vector<std::string> demo = {"MODEL.SEM_SEG_HEAD.CLIP_PRETRAINED", "demo",
                                           "DATASETS.ROOT", (world / "sets").string()};
    Program program(world.command("out", demo, processes));
    ASSERT_TRUE(program.says("waiting for another process that creates the demo"))
        << program.output();
    kill(program.process(), SIGTERM);
    const Outcome outcome = program.wait();
    EXPECT_EQ(outcome.status, 128 + SIGTERM) << outcome.output;
    EXPECT_THAT(
        outcome.output,
        HasSubstr("stopped by SIGTERM while waiting for another process that creates the demo in"));
  }
  ::close(lock);
}

TEST(Resume, TwoRanksStopTogetherAndOneProcessResumesAndLogsDifferences) {
  const TinyWorld world;
  const std::vector<std::string> steps = {"SOLVER.MAX_ITER", "40"};
  Program program(world.command("two", steps, 2));
  ASSERT_TRUE(has_done(world, "two", 2)) << program.output();
  kill(program.process(), SIGTERM);
  const Outcome outcome = program.wait();
  EXPECT_EQ(outcome.status, 0) << outcome.output;
  EXPECT_THAT(outcome.output, HasSubstr("with --resume continues"));
  auto one = steps;
  one.insert(one.end(), {"SOLVER.ACCUMULATE_STEPS", "2"});
  ASSERT_EQ(world.train("two", one, /*resume=*/true), 0);
  EXPECT_THAT(
      world.log("two"),
      HasSubstr("a step was 4 images on 2 process(es) in 1 part(s) each and is now 4 images on 1 "
                "process(es) in 2 part(s) each: only rounding differs"));
  ASSERT_EQ(world.train("one", one), 0);
  const auto resumed = column(world.metrics("two"), "total_loss"),
             expected = column(world.metrics("one"), "total_loss");
  ASSERT_EQ(resumed.size(), expected.size());
  // Later a mask goes to another cluster by rounding alone, and the losses part.
  for (size_t i = 0; i < 25; ++i) EXPECT_NEAR(resumed[i], expected[i], 1e-3 * expected[i]) << i;
}

TEST(Resume, OneRunResumesWithTwoRanks) {
  const TinyWorld world;
  ASSERT_EQ(world.train("out", {"SOLVER.MAX_ITER", "4", "SOLVER.CHECKPOINT_PERIOD", "2"}), 0);
  for (const char* name : {"model_0000003.pth", "model_final.pth"})
    EXPECT_TRUE(fs::remove(world / "out" / name)) << name;
  const Outcome outcome =
      Program(world.command("out", {"SOLVER.MAX_ITER", "4"}, 2, /*resume=*/true)).wait();
  EXPECT_EQ(outcome.status, 0) << outcome.output;
  EXPECT_THAT(outcome.output,
              AllOf(HasSubstr("at iteration 2"), HasSubstr("the loss is a mean over other parts")));
  EXPECT_EQ(world.metrics("out").size(), 4u);
}

TEST(Resume, CheckpointsInDetectron2sAndEarlierFormatsResumeWithTheirOptimizer) {
  const TinyWorld world;
  // That form knows nothing of half full buckets.
  const std::vector<std::string> steps = {"SOLVER.MAX_ITER",
                                          "6",
                                          "SOLVER.CHECKPOINT_PERIOD",
                                          "3",
                                          "DATALOADER.ASPECT_RATIO_GROUPING",
                                          "False"};
  ASSERT_EQ(world.train("own", steps), 0);
  const auto saved = read_torch_file(world / "own/model_0000002.pth");
  const auto& own = saved.as_dict();
  const auto& optimizer = own.at("trainer").as_dict().at("_trainer").as_dict().at("optimizer");
  const Dict public_form{
      {{"model", own.at("model")}, {"trainer", own.at("trainer")}, {"iteration", 2}}};
  const Dict earlier_form{{{"model", own.at("model")},
                           {"optimizer", optimizer},
                           {"iteration", 2},
                           {"pixelclip", own.at("pixelclip")}}};
  for (const auto& [folder, state] :
       {std::pair{"public", public_form}, std::pair{"earlier", earlier_form}}) {
    fs::create_directories(world / folder);
    write_torch_file(world / folder / "model_0000002.pth", state);
    write_text(world / folder / "last_checkpoint", "model_0000002.pth");
    ASSERT_EQ(world.train(folder, steps, /*resume=*/true), 0);
    EXPECT_TRUE(same_state(world / folder / "model_final.pth", world / "own/model_final.pth"))
        << folder;
  }
}

TEST(Resume, TheCheckpointAloneIsEnough) {
  const TinyWorld world;
  const std::vector<std::string> steps = {"SOLVER.MAX_ITER", "4", "SOLVER.CHECKPOINT_PERIOD", "2"};
  ASSERT_EQ(world.train("one", steps), 0);
  for (const char* name : {"one/model_0000003.pth", "one/model_final.pth"})
    fs::remove(world / name);
  fs::copy(world / "one", world / "two", fs::copy_options::recursive);
  fs::remove(world / "clip.pth");
  ASSERT_EQ(world.train("one", steps, /*resume=*/true), 0);
  const Outcome two = Program(world.command("two", steps, 2, /*resume=*/true)).wait();
  EXPECT_EQ(two.status, 0) << two.output;
  EXPECT_THAT(two.output, HasSubstr("resuming from "));
  // Without a checkpoint the CLIP is needed, and the message names it.
  EXPECT_ERROR(world.train("new", steps, /*resume=*/true), HasSubstr("clip.pth"));
}

TEST(Resume, ChangedLearningRatesAreLogged) {
  const TinyWorld world;
  ASSERT_EQ(world.train("out"), 0);
  ASSERT_EQ(
      world.train("out", {"SOLVER.MAX_ITER", "5", "SOLVER.BASE_LR", "0.002"}, /*resume=*/true), 0);
  EXPECT_THAT(world.log("out"), AllOf(HasSubstr("learning rates differ"),
                                      HasSubstr("prompt_tokens: 0.01 then, 0.02 now"),
                                      HasSubstr("SOLVER.BASE_LR: 0.001 → 0.002")));
}

TEST(OutputFolder, ANewRunRenamesTheEarlierFiles) {
  const TinyWorld world;
  const auto count = [&](const char* word) {
    int files = 0;
    for (const auto& entry : fs::directory_iterator(world / "out")) {
      files += entry.path().filename().string().find(word) != std::string::npos;
    }
    return files;
  };
  ASSERT_EQ(world.train("out"), 0);
  const auto first = read_text(world / "out/metrics.json"),
             config = read_text(world / "out/config.yaml");
  ASSERT_EQ(world.train("out", {"SOLVER.MAX_ITER", "3"}), 0);
  EXPECT_EQ(read_text(world / "out/metrics_1.json"), first);
  EXPECT_EQ(read_text(world / "out/config_1.yaml"), config);
  EXPECT_EQ(world.metrics("out").size(), 3u);
  EXPECT_EQ(count("tfevents"), 1) << "TensorBoard would show two curves";
  EXPECT_EQ(count("events_1."), 1);
  EXPECT_THAT(world.log("out"),
              AllOf(HasSubstr("this is a new one: the earlier files are kept as metrics_1.json"),
                    HasSubstr("--resume would have continued")));
  ASSERT_EQ(world.train("out", {"SOLVER.MAX_ITER", "2"}), 0);
  EXPECT_EQ(count("metrics_2.json"), 1);
  ASSERT_EQ(world.train("out", {"SOLVER.MAX_ITER", "4"}, /*resume=*/true), 0);
  EXPECT_EQ(world.metrics("out").size(), 4u);
  EXPECT_EQ(count("metrics_3.json"), 0);
}

TEST(OutputFolder, WhatIsRefusedBeforeTheFirstStepLeavesTheEarlierRunAsItWas) {
  const TinyWorld world;
  ASSERT_EQ(world.train("out"), 0);
  const auto before = read_text(world / "out/metrics.json");
  EXPECT_EQ(world.train("out", {"DATASETS.SAM_ROOT", (world / "nothing").string()}), 1);
  EXPECT_THAT(world.log("out"), HasSubstr((world / "nothing").string()));
  EXPECT_EQ(read_text(world / "out/metrics.json"), before);
  EXPECT_FALSE(fs::exists(world / "out/metrics_1.json"));
}

TEST(Resume, WithoutACheckpointARunBeginsAnewAndAFinishedOneEndsAtOnce) {
  const TinyWorld world;
  ASSERT_EQ(world.train("out", {}, /*resume=*/true), 0);
  EXPECT_EQ(world.metrics("out").size(), 4u);
  ASSERT_EQ(world.train("out", {}, /*resume=*/true), 0);
  EXPECT_THAT(world.log("out"), HasSubstr("nothing to train: iteration 4 of 4 is reached"));
  EXPECT_EQ(world.metrics("out").size(), 4u);
}

}  // namespace
}  // namespace pixelclip::testing
