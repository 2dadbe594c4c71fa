#include "engine/runtime.hpp"

#include <torch/utils.h>

#include "engine/runs.hpp"

namespace pixelclip::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

WorldInfo world_of(int world_size, int local_rank, int local_world_size) {
  WorldInfo world;
  world.world_size = world_size;
  world.rank = world.local_rank = local_rank;
  world.local_world_size = local_world_size;
  return world;
}

TEST(Runtime, EachProcessGetsTheGpuOfItsLocalRank) {
  EXPECT_EQ(runtime::pick_device("cuda", {}, 4).str(), "cuda:0");
  EXPECT_EQ(runtime::pick_device("cuda:3", {}, 4).str(), "cuda:3");
  EXPECT_EQ(runtime::pick_device("cuda", world_of(4, 2, 4), 4).str(), "cuda:2");
  EXPECT_TRUE(runtime::pick_device("cpu", world_of(4, 2, 4), 4).is_cpu());
  // A launcher that shows each process its own GPU alone.
  EXPECT_EQ(runtime::pick_device("cuda", world_of(4, 2, 4), 1).str(), "cuda:0");
  // One process on each of two machines.
  EXPECT_EQ(runtime::pick_device("cuda:1", world_of(2, 0, 1), 2).str(), "cuda:1");
}

TEST(Runtime, ADeviceThatCannotBeUsedIsRefused) {
  EXPECT_ERROR(runtime::pick_device("cuda:7", {}, 2),
               HasSubstr("MODEL.DEVICE is cuda:7, but this process sees 2 GPUs, cuda:0 to cuda:1"));
  EXPECT_ERROR(runtime::pick_device("gpu", {}, 2), HasSubstr("expected cpu, cuda or cuda:N"));
  EXPECT_ERROR(runtime::pick_device("cuda:1", world_of(2, 0, 2), 2),
               AllOf(HasSubstr("would put all 2 processes of this machine on one GPU"),
                     HasSubstr("MODEL.DEVICE cuda gives each its own")));
  EXPECT_ERROR(runtime::pick_device("cuda", world_of(2, 0, 1), 0),
               HasSubstr("MODEL.DEVICE cpu runs several processes on the CPU"));
}

TEST(Runtime, OneProcessWithoutAGpuUsesTheCpuWithAWarning) {
  ::testing::internal::CaptureStderr();
  EXPECT_TRUE(runtime::pick_device("cuda", {}, 0).is_cpu());
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), HasSubstr("running on the CPU"));
}

TEST(Runtime, SeveralProcessesWithoutGpusNeedTheCpuAsDevice) {
  const TinyWorld world;
  const Outcome outcome =
      Program(world.command("out", {"MODEL.DEVICE", "cuda"}, 2), {{"CUDA_VISIBLE_DEVICES", ""}})
          .wait();
  EXPECT_EQ(outcome.status, 1);
  EXPECT_THAT(outcome.output, HasSubstr("MODEL.DEVICE cpu runs several processes on the CPU"));
  EXPECT_FALSE(fs::exists(world / "out/log.txt"));
}

TEST(Runtime, SetsTheMathematicsOfGpusAsTheConfigurationSays) {
  const auto& context = at::globalContext();
  runtime::set_up_gpu_math(MatmulPrecision::highest);
  EXPECT_EQ(context.float32MatmulPrecision(), at::Float32MatmulPrecision::HIGHEST);
  EXPECT_FALSE(context.allowTF32CuDNN());
  runtime::set_up_gpu_math(MatmulPrecision::unset, /*cudnn_benchmark=*/true);
  EXPECT_EQ(context.float32MatmulPrecision(), at::Float32MatmulPrecision::HIGH);
  EXPECT_TRUE(context.allowTF32CuDNN());
  EXPECT_TRUE(context.benchmarkCuDNN());
  EXPECT_FALSE(context.deterministicAlgorithms());
  runtime::set_up_gpu_math(MatmulPrecision::unset, /*cudnn_benchmark=*/true,
                           /*deterministic=*/true);
  EXPECT_FALSE(context.benchmarkCuDNN());
  EXPECT_TRUE(context.deterministicAlgorithms());
  EXPECT_TRUE(context.deterministicCuDNN());
  runtime::set_up_gpu_math();
  EXPECT_FALSE(context.benchmarkCuDNN());
  EXPECT_FALSE(context.deterministicAlgorithms());
}

}  // namespace
}  // namespace pixelclip::testing
