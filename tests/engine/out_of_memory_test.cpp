#include <c10/core/CPUAllocator.h>
#include <torch/utils.h>

#include <thread>

#include "base/file.hpp"
#include "config/check.hpp"
#include "engine/run.hpp"
#include "engine/runs.hpp"

namespace pixelclip::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

/// LibTorch's allocator, which throws what a GPU's throws: once, for activations of the decoder in
/// the step after `lines` lines of metrics.json. Parameters are smaller; the token embedding, which
/// checkpoints copy, is larger.
class FullMemory final : public c10::Allocator {
 public:
  FullMemory(const TinyWorld& world, const std::string& output, size_t lines)
      : world_(world), output_(output), lines_(lines) {
    c10::SetCPUAllocator(this, 1);
  }
  ~FullMemory() override { c10::SetCPUAllocator(usual_, 1); }

  c10::DataPtr allocate(size_t bytes) override {
    const bool activations = bytes >= 256 << 10 && bytes < 2 << 20;
    if (!thrown_ && activations && std::this_thread::get_id() == thread_ &&
        world_.metrics(output_).size() >= lines_) {
      thrown_ = true;
      throw c10::OutOfMemoryError({__func__, __FILE__, __LINE__},
                                  "CUDA out of memory. Tried 1 MiB");
    }
    return usual_->allocate(bytes);
  }
  c10::DeleterFnPtr raw_deleter() const override { return usual_->raw_deleter(); }
  void copy_data(void* to, const void* from, size_t count) const override {
    default_copy_data(to, from, count);
  }

 private:
  const TinyWorld& world_;
  std::string output_;
  size_t lines_;
  bool thrown_ = false;
  std::thread::id thread_ = std::this_thread::get_id();
  c10::Allocator* usual_ = c10::GetCPUAllocator();
};

TEST(OutOfMemory, InTrainingSavesTheStateAndSaysWhatToLower) {
  const TinyWorld world;
  const std::vector<std::string> steps = {"SOLVER.MAX_ITER", "6"};
  ASSERT_EQ(world.train("whole", steps), 0);
  {
    const FullMemory memory(world, "out", 3);
    EXPECT_EQ(world.train("out", steps), 1);
  }
  EXPECT_THAT(world.log("out"),
              AllOf(HasSubstr("the state before iteration 3 is saved as model_0000002.pth"),
                    HasSubstr("out of GPU memory: lower SOLVER.IMS_PER_BATCH (4) or raise "
                              "SOLVER.ACCUMULATE_STEPS (1)"),
                    HasSubstr("Tried 1 MiB")));
  ASSERT_EQ(world.train("out", steps, /*resume=*/true), 0);
  EXPECT_EQ(world.metrics("out").size(), 6u);
  // Only the teacher has made one step more.
  EXPECT_TRUE(same_state(world / "out/model_final.pth", world / "whole/model_final.pth", 1e-4));
}

TEST(OutOfMemory, InScoringNamesTheKeysOfScoring) {
  const TinyWorld world;
  RunOptions options;
  options.config_file = (world / "tiny.yaml").string();
  options.overrides = world.overrides("out", {});
  const int status = run_on_ranks(options, Purpose::evaluate, "", [](Config&, Comm&) -> int {
    throw c10::OutOfMemoryError({__func__, __FILE__, __LINE__}, "CUDA out of memory");
  });
  EXPECT_EQ(status, 1);
  EXPECT_THAT(world.log("out"), HasSubstr("out of GPU memory: lower TEST.BATCH_SIZE"));
}

}  // namespace
}  // namespace pixelclip::testing
