#include <torch/optim/sgd.h>

#include "solver/lr_scheduler.hpp"
#include "solver/optimizer.hpp"
#include "support/tensors.hpp"

namespace pixelclip {
namespace {

/// Factors of fvcore 0.1.5's schedulers in detectron2's WarmupParamScheduler, at the iterations
/// below.
struct Schedule {
  LrSchedule name;
  bool rescaled;
  std::vector<double> factors;
};
const std::vector<int64_t> iterations = {0, 5, 10, 11, 17, 20, 25, 33, 39};
const std::vector<Schedule> schedules = {
    {LrSchedule::multi_step, false, {0.1, 0.55, 1.0, 1.0, 1.0, 0.5, 0.5, 0.25, 0.25}},
    {LrSchedule::multi_step, true, {0.1, 0.55, 1.0, 1.0, 1.0, 1.0, 0.5, 0.25, 0.25}},
    {LrSchedule::cosine,
     false,
     {0.1, 0.491421356, 0.882842712, 0.859779219, 0.693378146, 0.6, 0.446926627, 0.258943934,
      0.201233067}},
    {LrSchedule::cosine,
     true,
     {0.1, 0.55, 1.0, 0.997808758, 0.89725793, 0.8, 0.6, 0.30274207, 0.202191242}},
    {LrSchedule::step_with_fixed_gamma, false, {0.1, 0.3, 0.5, 0.5, 0.5, 0.25, 0.25, 0.125, 0.125}},
    {LrSchedule::step_with_fixed_gamma, true, {0.1, 0.55, 1.0, 1.0, 1.0, 0.5, 0.25, 0.125, 0.125}}};

TEST(Schedule, MeetsDetectron2WithAndWithoutRescalingTheInterval) {
  for (const auto& [name, rescaled, factors] : schedules) {
    SolverConfig solver;
    solver.lr_scheduler_name = name;
    solver.rescale_interval = rescaled;
    solver.max_iter = 40;
    solver.warmup_iters = 10;
    solver.warmup_factor = 0.1;
    solver.steps = {20, 30};
    solver.gamma = 0.5;
    solver.num_decays = 3;
    solver.base_lr = 1;
    solver.base_lr_end = 0.2;
    for (size_t i = 0; i < iterations.size(); ++i) {
      EXPECT_NEAR(learning_rate_factor(solver, iterations[i]), factors[i], 1e-9)
          << name << (rescaled ? ", rescaled," : "") << " at " << iterations[i];
    }
  }
}

TEST(Sgd, WithNesterovsMomentumMovesAsPyTorchs) {
  for (const bool nesterov : {false, true}) {
    SolverConfig solver;
    solver.optimizer = OptimizerType::sgd;
    solver.base_lr = 0.1;
    solver.weight_decay = 0.01;
    solver.nesterov = nesterov;
    auto ours = torch::linspace(-1, 1, 7).set_requires_grad(true);
    auto theirs = ours.detach().clone().set_requires_grad(true);
    Optimizer optimizer({{"w", ours, solver.base_lr, solver.weight_decay}}, solver);
    torch::optim::SGD expected(
        {theirs},
        torch::optim::SGDOptions(0.1).momentum(0.9).weight_decay(0.01).nesterov(nesterov));
    for (int step = 0; step < 3; ++step) {
      for (auto* parameter : {&ours, &theirs}) {
        parameter->mutable_grad() = (parameter->detach() * 2 + step).cos();
      }
      optimizer.step(1.0);
      expected.step();
    }
    EXPECT_TRUE(testing::close(ours.detach(), theirs.detach(), 1e-6)) << "nesterov " << nesterov;
  }
}

}  // namespace
}  // namespace pixelclip
