#include "solver/lr_scheduler.hpp"

#include <cmath>

#include "support/support.hpp"

namespace pixelclip {
namespace {

SolverConfig poly() {
  SolverConfig solver;
  solver.lr_scheduler_name = LrSchedule::poly;
  solver.max_iter = 10;
  solver.warmup_iters = 4;
  solver.warmup_factor = 0.1;
  solver.poly_lr_constant_ending = 0.3;
  return solver;
}

// The numbers are those of the schedule in detectron2's DeepLab project.
TEST(LearningRate, PolyMultipliesRampAndDecayAndEndsConstant) {
  const std::vector<double> linear = {
      0.1,           0.29559808723, 0.44992868033, 0.56219883138, 0.63144586749,
      0.53588673127, 0.43838329055, 0.3383834619,  0.3,           0.3};
  const std::vector<double> constant = {0.1,
                                        0.090953257608,
                                        0.081805214605,
                                        0.072541784694,
                                        0.63144586749,
                                        0.53588673127,
                                        0.43838329055,
                                        0.3383834619,
                                        0.3,
                                        0.3};
  auto solver = poly();
  for (int64_t i = 0; i < 10; ++i)
    EXPECT_NEAR(learning_rate_factor(solver, i), linear[i], 1e-10) << i;
  solver.warmup_method = WarmupMethod::constant;
  for (int64_t i = 0; i < 10; ++i)
    EXPECT_NEAR(learning_rate_factor(solver, i), constant[i], 1e-10) << i;
}

TEST(LearningRate, PolyKeepsItsConstantEndingOutOfTheWarmUp) {
  auto solver = poly();
  solver.poly_lr_constant_ending = 0.9;
  solver.warmup_iters = 9;
  EXPECT_NEAR(learning_rate_factor(solver, 8), (0.1 / 9 + 8.0 / 9) * std::pow(0.2, 0.9), 1e-12);
  EXPECT_EQ(learning_rate_factor(solver, 9), 0.9);
}

}  // namespace
}  // namespace pixelclip
