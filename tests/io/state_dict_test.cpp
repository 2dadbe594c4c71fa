#include "io/state_dict.hpp"

#include "archives.hpp"
#include "io/load_into.hpp"
#include "io/safetensors.hpp"
#include "io/torch_writer.hpp"

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
  write_torch_file(folder / "a.pth",
                   to_value({{"module.a", torch::ones(1)}, {"b", torch::ones(1)}}));
  EXPECT_TRUE(read_state_dict(folder / "a.pth").contains("module.a"));
}

StateDict named(const Dict& file) {
  ::testing::internal::CaptureStderr();
  auto state = to_state_dict(file, "x.pth");
  ::testing::internal::GetCapturedStderr();
  return state;
}

Dict with_prefix(const std::string& prefix, double value) {
  Dict dict;
  dict.set(prefix + "weight", torch::full({2, 3}, value));
  dict.set(prefix + "bias", torch::full({2}, value));
  return dict;
}

TEST(StateDict, PrefixesOfAllNamesAreDroppedRepeatedly) {
  for (const char* prefix : {"module.", "_orig_mod.", "model.", "student.", "teacher.", "backbone.",
                             "net.", "ema_model.module.", "module._orig_mod.",
                             "model.module.backbone.", "_forward_module.module.clip."}) {
    const auto file = take_weights(with_prefix(prefix, 1), "x.pth");
    std::string dropped;
    for (const auto& part : file.prefixes) dropped += part;
    EXPECT_EQ(dropped, prefix);
    EXPECT_THAT(file.remarks.back(), HasSubstr(prefix));
    EXPECT_TRUE(file.weights.find("weight") && file.weights.find("bias")) << prefix;
  }
  Dict counted = with_prefix("module.", 1);
  counted.set("n_averaged", torch::tensor(3));  // of torch.optim.swa_utils
  EXPECT_EQ(named(counted).size(), 2u);
  EXPECT_TRUE(named(Dict{{{"module.", torch::ones(1)}}}).contains("module."));
}

TEST(StateDict, AFullDinoCheckpointGivesTheTeachersBackbone) {
  const auto half = [](const std::string& prefix, double value) {
    Dict dict = with_prefix(prefix + "backbone.", value);
    dict.set(prefix + "head.mlp.0.weight", torch::ones(3));
    return dict;
  };
  Dict file;
  file.set("student", half("module.", 1));
  file.set("teacher", half("", 2));
  file.set("args", Opaque{"argparse.Namespace", {}, {}});
  file.set("epoch", 100);
  const auto taken = take_weights(file, "x.pth");
  EXPECT_THAT(taken.entries, ElementsAre("teacher"));
  EXPECT_EQ(named(file).at("weight").mean().item<float>(), 2);
  EXPECT_EQ(named(file).size(), 2u);
  EXPECT_THAT(taken.remarks, ::testing::Contains(HasSubstr("under 'teacher'")));

  Dict flat = half("teacher.", 3);
  for (const auto& [key, tensor] : half("student.", 4).items) flat.items.emplace_back(key, tensor);
  EXPECT_EQ(named(flat).at("weight").mean().item<float>(), 3);
  EXPECT_EQ(named(flat).size(), 2u);
}

TEST(StateDict, AveragedWeightsComeBeforeTheOthers) {
  for (const char* average :
       {"model_ema", "state_dict_ema", "ema", "ema_state_dict", "params_ema"}) {
    Dict file;
    file.set("model", with_prefix("", 1));
    file.set("state_dict", with_prefix("", 1));
    file.set(average, with_prefix("module.", 2));
    EXPECT_EQ(named(file).at("weight").mean().item<float>(), 2) << average;
    EXPECT_THAT(take_weights(file, "x.pth").remarks,
                ::testing::Contains(HasSubstr(str("under '", average, "' (averaged"))));
    file.set(average, Value());  // kept empty by trainings without an average
    EXPECT_EQ(named(file).at("weight").mean().item<float>(), 1) << average;
  }
}

TEST(StateDict, AModuleSavedWholeGivesItsTensorsWithoutItsCode) {
  const auto module = [](Dict parameters, Dict buffers, Dict children) {
    Dict state;
    state.set("training", false);
    state.set("_parameters", std::move(parameters));
    state.set("_buffers", std::move(buffers));
    state.set("_modules", std::move(children));
    return Opaque{"my.Net", {}, {Value(state)}};
  };
  Dict children;
  children.set("fc", module(with_prefix("", 1), Dict{{{"count", torch::ones(1)}}}, {}));
  for (const Value& value :
       {Value(module({}, {}, children)), Value(Dict{{{"model", module({}, {}, children)}}})}) {
    const auto file = take_weights(value, "x.pth");
    ASSERT_EQ(file.weights.size(), 3u);
    EXPECT_TRUE(file.weights.find("fc.weight") && file.weights.find("fc.count"));
    EXPECT_THAT(file.remarks, ::testing::Contains(HasSubstr("class my.Net")));
  }
}

TEST(Shards, TensorsComeFromTheFilesThatTheIndexNames) {
  const TempFolder folder;
  write_safetensors(folder / "a.safetensors", {{"a", torch::ones({2})}, {"b", torch::zeros({2})}});
  write_torch_file(folder / "b.bin", to_value({{"b", torch::full({2}, 5.f)}}));
  const auto index = [&](const std::string& text) {
    write_bytes(folder / "x.index.json", text);
    return read_state_dict(folder / "x.index.json");
  };
  const auto state =
      index(R"({"metadata": {}, "weight_map": {"a": "a.safetensors", "b": "b.bin"}})");
  ASSERT_EQ(state.size(), 2u);
  EXPECT_EQ(state.at("b").mean().item<float>(), 5);
  EXPECT_ERROR(index(R"({"weight_map": {"c": "a.safetensors"}})"),
               HasSubstr("the tensor c that the index lists is missing"));
  EXPECT_ERROR(index(R"({"weight_map": {"c": "none.bin"}})"),
               HasSubstr("none.bin: there is no such file"));
  EXPECT_ERROR(index(R"({"weights": {}})"), HasSubstr("is no index of shards"));
  EXPECT_ERROR(index("{"), HasSubstr("not valid JSON"));
  for (const char* name :
       {"../a.safetensors", "/etc/passwd", "", "..", "x.index.json", "b\\\\a.bin"}) {
    EXPECT_ERROR(index(str(R"({"weight_map": {"a": ")", name, "\"}}")),
                 HasSubstr("something else than a file beside"));
  }
  EXPECT_ERROR(index(std::string(100, '[')), HasSubstr("deeper"));
  EXPECT_ERROR(index(std::string(5'000'000, ' ')), HasSubstr("more than"));
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
  const StateDict state{
      {"0.weight", torch::ones({3, 2})}, {"0.bias", before + 1}, {"extra", torch::ones(1)}};
  try {
    load_into(*model, state, {.source = "x.pth"});
    ADD_FAILURE() << "nothing was refused";
  } catch (const Error& error) {
    const std::string text = error.what();
    EXPECT_THAT(text, AllOf(HasSubstr("x.pth: the weights do not fit"),
                            HasSubstr("22 missing: 1.bias"), HasSubstr("1 unexpected: extra"),
                            HasSubstr("1 of another shape: 0.weight [3, 2] instead of [2, 2]")));
    for (int i = 1; i < 12; ++i) EXPECT_THAT(text, HasSubstr(str(i, ".weight")));
  }
  EXPECT_TRUE(torch::equal(model[0]->as<torch::nn::LinearImpl>()->bias, before));
}

TEST(LoadInto, WarnsOfNamesThatTheModuleLacksAndContinues) {
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
                          HasSubstr("2 tensors are ignored"), Not(HasSubstr("dino.cls_token"))));
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
  EXPECT_ERROR(value.as_dict().at("a").as_int("a"),
               HasSubstr("a is a string, expected an integer"));
  EXPECT_ERROR(value.as_dict().at("b"), HasSubstr("'b'"));
  EXPECT_EQ(Value(3).as_double(), 3.0);
}

}  // namespace
}  // namespace pixelclip::testing
