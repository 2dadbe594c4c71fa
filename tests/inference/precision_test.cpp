#include "inference/precision.hpp"

#include "support/support.hpp"

namespace pixelclip {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(PrecisionDeathTest, EmulatedTypesAreReportedOnceWithARemedy) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");  // another process has said nothing yet
  const auto warn_twice = [] {
    warn_of_emulation("SOLVER.AMP.DTYPE bfloat16", "SOLVER.AMP.ENABLED False");
    warn_of_emulation("MODEL.PRECISION bfloat16", "MODEL.PRECISION float32");
    std::_Exit(0);
  };
  EXPECT_EXIT(
      warn_twice(), ::testing::ExitedWithCode(0),
      AllOf(HasSubstr("SOLVER.AMP.DTYPE bfloat16: this processor has no instructions for it"),
            HasSubstr("SOLVER.AMP.ENABLED False is faster here"),
            Not(HasSubstr("MODEL.PRECISION"))));
}

TEST(Precision, OnlyHalfTypesOnACpuCanBeEmulated) {
  EXPECT_FALSE(is_emulated(torch::kFloat, torch::kCPU));
  EXPECT_FALSE(is_emulated(torch::kBFloat16, torch::kCUDA));
  EXPECT_FALSE(is_emulated(torch::kHalf, torch::kCUDA));
}

}  // namespace
}  // namespace pixelclip
