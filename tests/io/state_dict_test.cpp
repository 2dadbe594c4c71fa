#include "pixelclip/io/state_dict.hpp"

#include "archives.hpp"
#include "pixelclip/io/safetensors.hpp"
#include "pixelclip/io/torch_file.hpp"

namespace pixelclip::testing {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

StateDict linear_weights() {
  return {{"weight", torch::arange(6, torch::kFloat).view({2, 3})}, {"bias", torch::ones({2})}};
}

TEST(StateDict, WeightsAreFoundWhereverTheyStand) {
  const TempFolder folder;
  const Value plain = to_value(linear_weights());
  Dict nested, wrapped;
  nested.set("model", plain);
  nested.set("iteration", 3);
  for (const auto& [name, tensor] : linear_weights()) wrapped.set("module." + name, tensor);
  wrapped.set("epoch", 3);
  for (const Value& value : {plain, Value(nested), Value(Dict{{{"state_dict", wrapped}}})}) {
    write_torch_file(folder / "a.pth", value);
    const StateDict state = read_state_dict(folder / "a.pth");
    ASSERT_EQ(state.size(), 2u);
    EXPECT_TRUE(torch::equal(state.at("weight"), linear_weights().at("weight")));
  }
  int64_t dropped = -1;
  read_state_dict(folder / "a.pth", &dropped);
  EXPECT_EQ(dropped, 1);
  write_safetensors(folder / "a.pth", linear_weights());
  EXPECT_EQ(read_state_dict(folder / "a.pth", &dropped).size(), 2u) << "recognised by content";
  EXPECT_EQ(dropped, 0);
}

TEST(StateDict, APrefixThatOnlySomeNamesHaveStays) {
  const TempFolder folder;
  write_torch_file(folder / "a.pth", to_value({{"module.a", torch::ones(1)}, {"b", torch::ones(1)}}));
  EXPECT_TRUE(read_state_dict(folder / "a.pth").contains("module.a"));
}

TEST(StateDict, AFileWithoutWeightsIsRefused) {
  EXPECT_ERROR(to_state_dict(ValueList{1}, "x.pth"), HasSubstr("x.pth: it holds a list"));
  EXPECT_ERROR(to_state_dict(Dict{{{"a", 1}}}, "x.pth"), HasSubstr("no tensors"));
  EXPECT_ERROR(to_state_dict(Opaque{"my.Net", {}, {}}, "x.pth"),
               AllOf(HasSubstr("class my.Net"), HasSubstr("state_dict()")));
}

TEST(LoadInto, CopiesByNameAndConverts) {
  torch::nn::Linear linear(3, 2);
  StateDict state = linear_weights();
  state["weight"] = state["weight"].to(torch::kHalf);
  const LoadReport report = load_into(*linear, state);
  EXPECT_THAT(report.loaded, ElementsAre("bias", "weight"));
  EXPECT_TRUE(torch::equal(linear->weight.detach(), linear_weights().at("weight")));
  EXPECT_TRUE(linear->weight.requires_grad());
  EXPECT_EQ(linear->weight.scalar_type(), torch::kFloat);
}

TEST(LoadInto, ListsEverythingThatDoesNotFitInOneMessageAndCopiesNothing) {
  torch::nn::Sequential model;
  for (int i = 0; i < 12; ++i) model->push_back(torch::nn::Linear(2, 2));
  const auto before = model[0]->as<torch::nn::LinearImpl>()->bias.clone();
  const StateDict state{{"0.weight", torch::ones({3, 2})}, {"0.bias", before + 1}, {"extra", torch::ones(1)}};
  try {
    load_into(*model, state, {.source = "x.pth"});
    ADD_FAILURE() << "nothing was refused";
  } catch (const Error& error) {
    const std::string text = error.what();
    EXPECT_THAT(text, AllOf(HasSubstr("x.pth: the weights do not fit"), HasSubstr("22 missing: 1.bias"),
                            HasSubstr("1 unexpected: extra"),
                            HasSubstr("1 of another shape: 0.weight [3, 2] instead of [2, 2]")));
    for (int i = 1; i < 12; ++i) EXPECT_THAT(text, HasSubstr(str(i, ".weight")));
  }
  EXPECT_TRUE(torch::equal(model[0]->as<torch::nn::LinearImpl>()->bias, before));
}

TEST(LoadInto, WarnsOfNamesThatTheModuleLacksAndGoesOn) {
  torch::nn::Linear linear(3, 2);
  StateDict state = linear_weights();
  state["criterion.weight"] = torch::ones(1);
  state["dino.blocks.0.norm1.weight"] = state["dino.cls_token"] = torch::ones(1);
  ::testing::internal::CaptureStderr();
  const auto report = load_into(*linear, state, {.source = "x.pth", .may_be_unused = {"dino."}});
  const std::string said = ::testing::internal::GetCapturedStderr();
  EXPECT_THAT(report.loaded, ElementsAre("bias", "weight"));
  EXPECT_THAT(report.unexpected, ElementsAre("criterion.weight"));
  EXPECT_EQ(report.passed_over.size(), 2u);
  EXPECT_THAT(said, AllOf(HasSubstr("x.pth: 1 tensors are not used"), HasSubstr("criterion.weight"),
                          HasSubstr("2 tensors are passed over"), Not(HasSubstr("dino.cls_token"))));
}

TEST(LoadInto, StopsAtUnknownNamesOfPartsThatChangeNumbers) {
  torch::nn::Linear linear(3, 2);
  StateDict state = linear_weights();
  state["ls_1.gamma"] = torch::ones(1);
  EXPECT_ERROR(load_into(*linear, state, {.source = "x.pth", .must_be_known = {"ls_1."}}),
               HasSubstr("1 unexpected: ls_1.gamma"));
}

TEST(LoadInto, OptionsAllowNamesAndPrefixes) {
  torch::nn::Linear linear(3, 2);
  StateDict state = linear_weights();
  state.erase("bias");
  state["teacher.x"] = torch::ones(1);
  EXPECT_ERROR(load_into(*linear, state), HasSubstr("1 missing: bias"));
  LoadOptions options;
  options.may_be_missing = {"bias"};
  options.may_be_unused = {"teacher."};
  EXPECT_THAT(load_into(*linear, state, options).loaded, ElementsAre("weight"));
  options.may_be_unused = {"teacher"};
  EXPECT_THAT(load_into(*linear, state, options).unexpected, ElementsAre("teacher.x"));
}

TEST(ValueAccess, NamesWhatIsWrong) {
  const Value value = Dict{{{"a", "text"}}};
  EXPECT_ERROR(value.as_list("the list"), HasSubstr("the list is a dict, expected a list"));
  EXPECT_ERROR(value.as_dict().at("a").as_int("a"), HasSubstr("a is a string, expected an integer"));
  EXPECT_ERROR(value.as_dict().at("b"), HasSubstr("'b'"));
  EXPECT_EQ(Value(3).as_double(), 3.0);
}

}  // namespace
}  // namespace pixelclip::testing
