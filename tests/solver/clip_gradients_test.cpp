#include <torch/nn/modules/linear.h>
#include <torch/utils.h>

#include <cmath>

#include "solver/optimizer.hpp"
#include "support/device.hpp"
#include "support/tensors.hpp"

namespace pixelclip {
namespace {

using testing::close;
using testing::on_device;

/// One step of plain SGD at rate 1 from 0: minus the clipped gradient, one row a parameter.
torch::Tensor clipped(GradientClipping type, double value, double norm) {
  SolverConfig solver;
  solver.optimizer = OptimizerType::sgd;
  solver.momentum = 0;
  solver.weight_decay = 0;
  solver.base_lr = 1;
  solver.clip_gradients = {
      .enabled = true, .clip_type = type, .clip_value = value, .norm_type = norm};
  std::vector<ParameterGroup> groups;
  for (int i = 0; i < 2; ++i) {
    auto parameter = on_device(torch::zeros({2})).set_requires_grad(true);
    parameter.mutable_grad() = on_device(torch::tensor({3.0f, 4.0f})) * (i + 1);
    groups.push_back({str(i), parameter, 1.0, 0.0});
  }
  Optimizer optimizer(groups, solver);
  optimizer.step(1.0);
  return -torch::stack({groups[0].parameter.detach(), groups[1].parameter.detach()});
}

TEST(Sgd, WithoutMomentumIsTheGradientAlone) {
  EXPECT_TRUE(close(clipped(GradientClipping::value, 100, 2),
                    torch::tensor({{3.0f, 4.0f}, {6.0f, 8.0f}}), 1e-6));
}

TEST(ClipGradients, TheFullModelIsAlwaysClippedByThe2Norm) {
  const auto gradients = torch::tensor({{3.0f, 4.0f}, {6.0f, 8.0f}});
  const auto expected = gradients / std::sqrt(125.0);
  for (const double p : {1.0, 2.0, 3.0})
    EXPECT_TRUE(close(clipped(GradientClipping::full_model, 1, p), expected, 1e-5)) << p;
  EXPECT_TRUE(close(clipped(GradientClipping::full_model, 100, 1), gradients, 1e-6));
}

TEST(ClipGradients, TheNormIsOverAllGroupsWhateverTheirRate) {
  SolverConfig solver;
  solver.optimizer = OptimizerType::sgd;
  solver.momentum = 0;
  solver.clip_gradients = {
      .enabled = true, .clip_type = GradientClipping::full_model, .clip_value = 1, .norm_type = 2};
  std::vector<ParameterGroup> groups;
  for (const double rate : {1.0, 0.1, 0.5}) {
    groups.push_back({str(rate), on_device(torch::zeros({1})).set_requires_grad(true), rate, 0.0});
  }
  groups[0].parameter.mutable_grad() = on_device(torch::tensor({3.0f}));
  groups[1].parameter.mutable_grad() =
      on_device(torch::tensor({4.0f}));  // and the third has no gradient
  Optimizer optimizer(groups, solver);
  EXPECT_NEAR(optimizer.gradient_norm().item<double>(), 5, 1e-6);
  optimizer.step(1.0);
  EXPECT_NEAR(groups[0].parameter.item<double>(), -1.0 * 3 / 5, 1e-5);
  EXPECT_NEAR(groups[1].parameter.item<double>(), -0.1 * 4 / 5, 1e-6);
  EXPECT_EQ(groups[2].parameter.item<double>(), 0);
}

TEST(ClipGradients, EachParametersNormIsOfNormType) {
  const auto gradients = torch::tensor({{3.0f, 4.0f}, {6.0f, 8.0f}});
  EXPECT_TRUE(close(clipped(GradientClipping::norm, 1, 1),
                    gradients / torch::tensor({{7.0f}, {14.0f}}), 1e-5));
  EXPECT_TRUE(close(clipped(GradientClipping::norm, 1, 2),
                    gradients / torch::tensor({{5.0f}, {10.0f}}), 1e-5));
}

}  // namespace
}  // namespace pixelclip
