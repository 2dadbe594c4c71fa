#include "solver/optimizer.hpp"

#include <torch/utils.h>

#include "io/torch_file.hpp"
#include "support/device.hpp"
#include "support/tensors.hpp"

namespace pixelclip {
namespace {

using ::testing::HasSubstr;
using torch::Tensor;

SolverConfig sgd() {
  SolverConfig solver;
  solver.optimizer = OptimizerType::sgd;
  solver.momentum = 0.9;
  solver.weight_decay = 0;
  return solver;
}

/// Parameters that a run trains, and a copy of them for another run.
struct Trained {
  explicit Trained(const SolverConfig& solver, double rate = 0.1)
      : parameter(testing::on_device(torch::tensor({1.f, -2.f})).requires_grad_()),
        optimizer({{"prompt_tokens", parameter, rate, 0.0}}, solver) {}
  void step(const Tensor& gradient) {
    parameter.mutable_grad() = testing::on_device(gradient).clone();
    optimizer.step(1.0);
  }
  Tensor value() const { return parameter.detach().cpu().clone(); }

  Tensor parameter;
  Optimizer optimizer;
};

TEST(Optimizer, SgdKeepsAndTakesTheStateOfPyTorchs) {
  const auto first = torch::tensor({1.f, 0.5f}), second = torch::tensor({-1.f, 2.f});
  Trained whole(sgd());
  whole.step(first);
  EXPECT_TRUE(testing::close(whole.value(), torch::tensor({1.f, -2.f}) - 0.1f * first, 1e-6));
  const auto saved = whole.optimizer.state(1.0);
  const auto& entry = saved.as_dict().at("state").as_dict().find(0)->as_dict();
  ASSERT_EQ(entry.size(), 1u) << "torch.optim.SGD keeps the momentum alone";
  EXPECT_TRUE(torch::equal(entry.at("momentum_buffer").as_tensor().cpu(), first));

  Trained resumed(sgd());
  {
    torch::NoGradGuard no_grad;
    resumed.parameter.copy_(whole.parameter);
  }
  std::string why;
  ASSERT_TRUE(resumed.optimizer.load_state(saved, &why)) << why;
  whole.step(second);
  resumed.step(second);
  EXPECT_TRUE(torch::equal(resumed.value(), whole.value()));
  const auto expected = torch::tensor({1.f, -2.f}) - 0.1f * first - 0.1f * (0.9f * first + second);
  EXPECT_TRUE(testing::close(whole.value(), expected, 1e-6));
}

TEST(Optimizer, SgdTakesAStateFromBeforeItsFirstStep) {
  Dict group{{{"lr", 0.1}, {"params", ValueList{0}}}};
  for (const Value& entry : {Value(Dict{}), Value(Dict{{{"momentum_buffer", Value()}}})}) {
    const Dict state{{{"state", Dict{{{0, entry}}}}, {"param_groups", ValueList{group}}}};
    Trained run(sgd());
    std::string why;
    EXPECT_TRUE(run.optimizer.load_state(state, &why)) << why;
  }
}

TEST(Optimizer, TellsWhichRateOfASavedStateDiffers) {
  SolverConfig solver;
  Trained before(solver, 0.1), after(solver, 0.2);
  EXPECT_EQ(before.optimizer.changed_rate(before.optimizer.state(0.5)), "");
  EXPECT_EQ(after.optimizer.changed_rate(before.optimizer.state(0.5)),
            "prompt_tokens: 0.1 then, 0.2 now");
}

TEST(Optimizer, TheMostCommonRateStandsForAll) {
  const auto parameter = torch::zeros({1});
  std::vector<ParameterGroup> groups = {
      {"a", parameter, 0.1, 0}, {"b", parameter, 0.2, 0}, {"c", parameter, 0.2, 0}};
  EXPECT_EQ(common_rate(groups), 0.2);
  groups.push_back({"d", parameter, 0.1, 0});
  EXPECT_EQ(common_rate(groups), 0.1) << "the first of equals";
}

TEST(Optimizer, TheStateOfAPublicRunComesBackAsItWas) {
  SKIP_WITHOUT_SHARED();
  const auto file =
      read_torch_file(testing::shared_folder() / "golden/public_run/model_0000001.pth");
  const auto& trainer = file.as_dict().at("trainer").as_dict().at("_trainer").as_dict();
  const auto& saved = trainer.at("optimizer").as_dict();
  const auto& entries = saved.at("state").as_dict();
  std::vector<ParameterGroup> groups;
  for (const auto& group : saved.at("param_groups").as_list()) {
    const auto& dict = group.as_dict();
    const auto& moment =
        entries.find(dict.at("params").as_list()[0].as_int())->as_dict().at("exp_avg").as_tensor();
    groups.push_back({str("parameter ", groups.size()),
                      testing::on_device(torch::zeros_like(moment)).requires_grad_(),
                      dict.at("initial_lr").as_double(), dict.at("weight_decay").as_double()});
  }
  Optimizer optimizer(groups, SolverConfig());
  std::string why;
  ASSERT_TRUE(optimizer.load_state(trainer.at("optimizer"), &why)) << why;
  EXPECT_EQ(optimizer.changed_rate(trainer.at("optimizer")), "");
  const auto state = optimizer.state(0.75);  // of a cosine to one half, half way
  for (size_t i = 0; i < groups.size(); ++i) {
    const auto number = static_cast<int64_t>(i);
    const auto &own = state.as_dict().at("state").as_dict().find(number)->as_dict(),
               &theirs = entries.find(number)->as_dict();
    for (const char* name : {"step", "exp_avg", "exp_avg_sq"}) {
      EXPECT_TRUE(torch::equal(own.at(name).as_tensor().cpu(), theirs.at(name).as_tensor()))
          << name << ' ' << i;
    }
    const auto &group = state.as_dict().at("param_groups").as_list()[i].as_dict(),
               &expected = saved.at("param_groups").as_list()[i].as_dict();
    EXPECT_EQ(group.size(), expected.size());
    EXPECT_NEAR(group.at("lr").as_double(), expected.at("lr").as_double(), 1e-15);
    for (const auto& [key, value] : expected.items) {
      ASSERT_NE(group.find(key.as_string()), nullptr) << key.as_string();
      EXPECT_EQ(group.at(key.as_string()).data.index(), value.data.index()) << key.as_string();
    }
  }
}

}  // namespace
}  // namespace pixelclip
