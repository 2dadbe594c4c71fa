#include <signal.h>

#include "engine/runs.hpp"
#include "pixelclip/base/file.hpp"
#include "pixelclip/base/random.hpp"
#include "pixelclip/io/torch_file.hpp"

namespace pixelclip::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

const std::vector<std::string> kLong = {"SOLVER.MAX_ITER", "40", "SOLVER.CHECKPOINT_PERIOD", "3"};

/// Waits until the run has logged `steps` steps.
bool has_done(const TinyWorld& world, const std::string& output, size_t steps) {
  return wait_until(60, [&] { return world.metrics(output).size() >= steps; });
}

TEST(Resume, AfterKillsAtAnyMomentTheRunEndsBitForBitAsIfUndisturbed) {
  const TinyWorld world(/*convnext=*/true);  // with stochastic depth
  ASSERT_EQ(world.train("undisturbed", kLong), 0);
  Random random(static_cast<uint64_t>(getpid()));
  int killed = 0;
  for (const size_t steps : {2, 9, 17}) {
    Program program(world.command("killed", kLong, 1, /*resume=*/true));
    ASSERT_TRUE(has_done(world, "killed", steps)) << program.output();
    std::this_thread::sleep_for(std::chrono::milliseconds(random.integer(0, 60)));
    kill(program.process(), SIGKILL);
    killed += program.wait().status == 128 + SIGKILL;
  }
  EXPECT_GE(killed, 1);
  const Outcome last = Program(world.command("killed", kLong, 1, /*resume=*/true)).wait();
  ASSERT_EQ(last.status, 0) << last.output;
  EXPECT_TRUE(same_state(world / "killed/model_final.pth", world / "undisturbed/model_final.pth"));
  EXPECT_EQ(column(world.metrics("killed"), "total_loss"), column(world.metrics("undisturbed"), "total_loss"));
}

TEST(Resume, ASignalSavesAndTheRunGoesOnBitForBit) {
  const TinyWorld world;
  const std::vector<std::string> no_period = {"SOLVER.MAX_ITER", "60", "SOLVER.CHECKPOINT_PERIOD", "0"};
  ASSERT_EQ(world.train("undisturbed", no_period), 0);
  for (const int number : {SIGTERM, SIGUSR1, SIGINT}) {
    const size_t before = world.metrics("stopped").size();
    Program program(world.command("stopped", no_period, 1, /*resume=*/true));
    ASSERT_TRUE(has_done(world, "stopped", before + 2)) << program.output();
    kill(program.process(), number);
    const Outcome outcome = program.wait();
    EXPECT_EQ(outcome.status, 0) << outcome.output;
    EXPECT_THAT(outcome.output, AllOf(HasSubstr("stopped by a signal after "), HasSubstr("with --resume goes on")));
    EXPECT_FALSE(fs::exists(world / "stopped/model_final.pth"));
  }
  ASSERT_EQ(world.train("stopped", no_period, /*resume=*/true), 0);
  EXPECT_TRUE(same_state(world / "stopped/model_final.pth", world / "undisturbed/model_final.pth"));
}

TEST(Resume, TwoRanksStopTogetherAndOneProcessGoesOnSayingWhatDiffers) {
  const TinyWorld world;
  const std::vector<std::string> steps = {"SOLVER.MAX_ITER", "40"};
  Program program(world.command("two", steps, 2));
  ASSERT_TRUE(has_done(world, "two", 2)) << program.output();
  kill(program.process(), SIGTERM);
  const Outcome outcome = program.wait();
  EXPECT_EQ(outcome.status, 0) << outcome.output;
  EXPECT_THAT(outcome.output, HasSubstr("with --resume goes on"));
  auto one = steps;
  one.insert(one.end(), {"SOLVER.ACCUMULATE_STEPS", "2"});
  ASSERT_EQ(world.train("two", one, /*resume=*/true), 0);
  EXPECT_THAT(world.log("two"), HasSubstr("a step was 4 images over 2 process(es) in 1 part(s) each and is now 4 images "
                                          "over 1 process(es) in 2 part(s) each: only rounding differs"));
  ASSERT_EQ(world.train("one", one), 0);
  const auto resumed = column(world.metrics("two"), "total_loss"), expected = column(world.metrics("one"), "total_loss");
  ASSERT_EQ(resumed.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(resumed[i], expected[i], 1e-3 * expected[i]) << i;
}

TEST(Resume, OneRunGoesOnWithTwoRanks) {
  const TinyWorld world;
  ASSERT_EQ(world.train("out", {"SOLVER.MAX_ITER", "4", "SOLVER.CHECKPOINT_PERIOD", "2"}), 0);
  fs::remove(world / "out/model_final.pth");
  const Outcome outcome = Program(world.command("out", {"SOLVER.MAX_ITER", "4"}, 2, /*resume=*/true)).wait();
  EXPECT_EQ(outcome.status, 0) << outcome.output;
  EXPECT_THAT(outcome.output, AllOf(HasSubstr("at iteration 2"), HasSubstr("the loss is a mean over other parts")));
  EXPECT_EQ(world.metrics("out").size(), 4u);
}

TEST(Resume, ACheckpointInDetectron2sFormGoesOnWithItsOptimiser) {
  const TinyWorld world;
  const std::vector<std::string> steps = {"SOLVER.MAX_ITER", "6", "SOLVER.CHECKPOINT_PERIOD", "3"};
  ASSERT_EQ(world.train("own", steps), 0);
  const auto saved = read_torch_file(world / "own/model_0000002.pth");
  const auto& own = saved.as_dict();
  Dict inner, trainer, state;
  inner.set("iteration", 2);
  inner.set("optimizer", own.at("optimizer"));
  trainer.set("iteration", 2);
  trainer.set("_trainer", inner);
  state.set("model", own.at("model"));
  state.set("trainer", trainer);
  state.set("iteration", 2);
  fs::create_directories(world / "public");
  write_torch_file(world / "public/model_0000002.pth", state);
  write_text(world / "public/last_checkpoint", "model_0000002.pth");
  ASSERT_EQ(world.train("public", steps, /*resume=*/true), 0);
  EXPECT_TRUE(same_state(world / "public/model_final.pth", world / "own/model_final.pth"));
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
