#include <nlohmann/json.hpp>

#include "base/file.hpp"
#include "cli/commands.hpp"
#include "command.hpp"
#include "io/safetensors.hpp"
#include "io/torch_file.hpp"
#include "io/torch_writer.hpp"
#include "support/tensors.hpp"

namespace pixelclip::cli {
namespace {
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::run_command;
using testing::TempFolder;
namespace fs = std::filesystem;

const std::string kStudent = "sem_seg_head.predictor.clip_model.";
const std::string kPrompts = "sem_seg_head.predictor.prompt_tokens";

/// A checkpoint as training writes it: a tiny CLIP as student and teacher, prompts, and a training
/// state.
class Weights : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto clip = read_state_dict(testing::write_tiny_clip(folder_ / "clip.pth"));
    Dict model;
    for (const auto& [name, tensor] : clip) model.set(kStudent + name, tensor);
    model.set("teacher_encoder.visual.proj", clip.at("visual.proj"));
    model.set(kPrompts, torch::ones({2, 4, 64}));
    Dict optimizer;
    optimizer.set("state", Dict{{{0, Dict{{{"exp_avg", torch::ones({5})}}}}}});
    write_torch_file(folder_ / "in.pth",
                     Dict{{{"model", model}, {"optimizer", optimizer}, {"iteration", 99}}});
  }
  std::string convert(const std::string& in, const std::string& out,
                      const std::vector<std::string>& flags = {}) {
    std::vector<std::string> arguments = {"convert", path(in), path(out)};
    arguments.insert(arguments.end(), flags.begin(), flags.end());
    return run_command(add_convert, arguments).error;
  }
  std::string inspect(const std::string& file) {
    const auto outcome = run_command(add_inspect, {"inspect", path(file)});
    EXPECT_EQ(outcome.error, "");
    return outcome.out;
  }
  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  StateDict read(const std::string& name) const { return read_state_dict(folder_ / name); }

  TempFolder folder_;
};

void expect_equal(const StateDict& a, const StateDict& b) {
  ASSERT_EQ(a.size(), b.size());
  for (const auto& [name, tensor] : a) EXPECT_TRUE(torch::equal(tensor, b.at(name))) << name;
}

TEST_F(Weights, SurviveTheWayToSafetensorsAndBack) {
  ASSERT_EQ(convert("in.pth", "a.safetensors"), "");
  ASSERT_EQ(convert("a.safetensors", "b.pth"), "");
  expect_equal(read("in.pth"), read("a.safetensors"));
  expect_equal(read("in.pth"), read("b.pth"));
  EXPECT_EQ(read_safetensors(folder_ / "a.safetensors").metadata.at("iteration"), "99");
  const auto back = read_torch_file(folder_ / "b.pth");
  EXPECT_EQ(back.as_dict().at("iteration").as_int(), 99);
  EXPECT_TRUE(back.as_dict().find("model"));
}

TEST_F(Weights, KeepTheTrainingStateFromPthToPth) {
  ASSERT_EQ(convert("in.pth", "b.pth"), "");
  const auto back = read_torch_file(folder_ / "b.pth");
  const auto& state = back.as_dict().at("optimizer").as_dict().at("state").as_dict();
  EXPECT_EQ(state.find(0)->as_dict().at("exp_avg").as_tensor().numel(), 5);
}

TEST_F(Weights, AreHalvedInSizeAndLoseTheTrainingState) {
  ASSERT_EQ(convert("in.pth", "half.pth", {"--half"}), "");
  EXPECT_LT(fs::file_size(folder_ / "half.pth"), fs::file_size(folder_ / "in.pth") * 0.52);
  const auto halved = read("half.pth");
  EXPECT_EQ(halved.at(kPrompts).scalar_type(), torch::kHalf);
  EXPECT_TRUE(testing::close(halved.at(kStudent + "visual.proj").to(torch::kFloat),
                             read("in.pth").at(kStudent + "visual.proj"), 1e-3));
  EXPECT_FALSE(read_torch_file(folder_ / "half.pth").as_dict().find("optimizer"));
}

TEST_F(Weights, AreStrippedForPublishing) {
  ASSERT_EQ(convert("in.pth", "small.pth", {"--strip"}), "");
  const auto stripped = read("small.pth");
  EXPECT_FALSE(stripped.count("teacher_encoder.visual.proj"));
  EXPECT_TRUE(stripped.count(kPrompts));
  EXPECT_FALSE(read_torch_file(folder_ / "small.pth").as_dict().find("optimizer"));
}

TEST_F(Weights, GiveTheEncoderAloneInClipsOwnNamesAndThePromptsAlone) {
  ASSERT_EQ(convert("in.pth", "clip2.safetensors", {"--only", "encoder"}), "");
  expect_equal(read("clip2.safetensors"), read("clip.pth"));
  ASSERT_EQ(convert("in.pth", "prompts.pth", {"--only", "prompts"}), "");
  EXPECT_EQ(read("prompts.pth").size(), 1u);
  EXPECT_THAT(convert("clip.pth", "none.pth", {"--only", "prompts"}),
              HasSubstr("holds no sem_seg_head.predictor.prompt_tokens"));
  EXPECT_FALSE(fs::exists(folder_ / "none.pth"));
}

TEST_F(Weights, KeepWhatTensorsDoNotTellOnEveryWay) {
  Dict file = read_torch_file(folder_ / "in.pth").as_dict();
  file.set("clip_activation", "gelu");
  file.set("clip_heads", "1,1");
  write_torch_file(folder_ / "gelu.pth", file);
  const std::string told = "computes with: GELU (the file's own record)";
  EXPECT_THAT(inspect("gelu.pth"), HasSubstr(told));
  ASSERT_EQ(convert("gelu.pth", "a.safetensors"), "");
  EXPECT_THAT(inspect("a.safetensors"), HasSubstr(told));
  ASSERT_EQ(convert("gelu.pth", "encoder.pth", {"--only", "encoder"}), "");
  EXPECT_THAT(inspect("encoder.pth"), HasSubstr(told));
  ASSERT_EQ(convert("in.pth", "plain.safetensors", {"--only", "encoder"}), "");
  EXPECT_THAT(inspect("plain.safetensors"),
              HasSubstr("computes with: QuickGELU (the file's own record)"));
}

TEST_F(Weights, AreShownWithWhereTheyStoodAndWhatWasDropped) {
  Dict wrapped;
  for (const auto& [name, tensor] : read("clip.pth")) wrapped.set("module." + name, tensor);
  write_torch_file(folder_ / "ema.pth", Dict{{{"model", wrapped}, {"model_ema", wrapped}}});
  EXPECT_THAT(inspect("ema.pth"),
              AllOf(HasSubstr("weights in: model_ema\n"),
                    HasSubstr("prefix removed from all names: module.\n"),
                    HasSubstr("architecture: CLIP ViT, width 64"),
                    HasSubstr("warning: nothing tells"), Not(HasSubstr("\nmodule."))));
  ASSERT_EQ(convert("ema.pth", "plain.pth"), "");
  expect_equal(read("plain.pth"), read("clip.pth"));
}

TEST_F(Weights, AreWrittenAsHuggingFacePublishesThemAndBack) {
  ASSERT_EQ(convert("in.pth", "hf", {"--to", "hf"}), "");
  EXPECT_THAT(read_text(folder_ / "hf/config.json"), HasSubstr("\"hidden_act\": \"quick_gelu\""));
  EXPECT_TRUE(read("hf/model.safetensors").count("visual_projection.weight"));
  ASSERT_EQ(convert("hf/model.safetensors", "back.pt", {"--to", "openai"}), "");
  expect_equal(read("back.pt"), read("clip.pth"));
  ASSERT_EQ(convert("in.pth", "half.safetensors", {"--to", "open_clip", "--half"}), "");
  EXPECT_EQ(read("half.safetensors").at("visual.proj").scalar_type(), torch::kHalf);
  EXPECT_THAT(convert("in.pth", "x.pt", {"--to", "hf", "--strip"}), HasSubstr("no meaning"));
  EXPECT_THAT(convert("in.pth", "x.safetensors", {"--to", "openai"}), HasSubstr("name a .pt file"));
  EXPECT_FALSE(fs::exists(folder_ / "x.pt") || fs::exists(folder_ / "x.safetensors"));
}

TEST_F(Weights, AreShownAsOneLineOfJson) {
  const auto shown = run_command(add_inspect, {"inspect", path("in.pth"), "--json"}).out;
  EXPECT_EQ(std::count(shown.begin(), shown.end(), '\n'), 1);
  const auto told = nlohmann::json::parse(shown);
  EXPECT_EQ(told.at("entries").at("iteration"), "99");
  EXPECT_EQ(told.at("tensors").size(), read("in.pth").size());
  const auto converted =
      run_command(add_convert, {"convert", path("in.pth"), path("b.pth"), "--json", "--quiet"});
  EXPECT_EQ(nlohmann::json::parse(converted.out).at("file"), path("b.pth"));
  EXPECT_EQ(converted.log, "");
}

TEST_F(Weights, MayBeConvertedOverThemselves) {
  const auto before = read("in.pth").at(kPrompts).clone();
  ASSERT_EQ(convert("in.pth", "in.pth", {"--strip"}), "");
  EXPECT_TRUE(torch::equal(read("in.pth").at(kPrompts), before));
}

TEST_F(Weights, OfOddNamesAndFormsAreRefusedInOneSentence) {
  EXPECT_THAT(convert("in.pth", "out.zip"), HasSubstr("must end in .pth"));
  EXPECT_THAT(convert("none.pth", "out.pth"), HasSubstr("none.pth: No such file"));
  std::ofstream(folder_ / "text.pth") << "hello";
  EXPECT_THAT(convert("text.pth", "out.pth"), HasSubstr("not a torch.save file"));
  EXPECT_THAT(convert("in.pth", "no/such/folder/out.pth"), Not(::testing::IsEmpty()));
}

TEST_F(Weights, AreListedWithWhatTheyAre) {
  EXPECT_THAT(inspect("in.pth"),
              AllOf(HasSubstr("architecture: PixelCLIP on CLIP ViT, width 64, 2 layers"),
                    HasSubstr("iteration: 99"), HasSubstr("optimizer: a dict with 1 tensors"),
                    HasSubstr("[2, 4, 64]"), HasSubstr("Float"), HasSubstr("NaN: 0, infinite: 0")));
  EXPECT_THAT(inspect("clip.pth"), HasSubstr("architecture: CLIP ViT, width 64"));
  ASSERT_EQ(convert("in.pth", "a.safetensors"), "");
  EXPECT_THAT(inspect("a.safetensors"),
              AllOf(HasSubstr("safetensors, "), HasSubstr("iteration: 99")));
  write_safetensors(folder_ / "bad.safetensors", {{"bad", torch::tensor({1.f, NAN, INFINITY, NAN})},
                                                  {"good", torch::ones({2}, torch::kHalf)}});
  EXPECT_THAT(inspect("bad.safetensors"),
              AllOf(HasSubstr("NaN: 2 infinite: 1"), HasSubstr("NaN: 2, infinite: 1"),
                    HasSubstr("architecture: unknown")));
}

TEST_F(Weights, OfEveryPublishedFormAreRecognised) {
  SKIP_WITHOUT_SHARED();
  const auto golden = testing::shared_folder() / "golden";
  const auto told = [&](const std::string& file) {
    return run_command(add_inspect, {"inspect", (golden / file).string()}).out;
  };
  EXPECT_THAT(told("sources/openai_vit.pt"), HasSubstr("architecture: CLIP ViT"));
  EXPECT_THAT(told("sources/hf/model.safetensors"), HasSubstr("architecture: CLIP ViT"));
  EXPECT_THAT(told("sources/open_clip_pytorch_model.bin"),
              HasSubstr("architecture: CLIP ConvNeXt"));
  EXPECT_THAT(told("dino/dino.pth"), HasSubstr("ViT in DINO's names"));
  EXPECT_THAT(told("convnext/model.pth"), HasSubstr("PixelCLIP on CLIP ConvNeXt"));
}

}  // namespace
}  // namespace pixelclip::cli
