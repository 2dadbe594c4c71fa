#include "clip/traits.hpp"

#include <torch/utils.h>

#include "base/file.hpp"
#include "clip/open_clip.hpp"
#include "clip/traits_names.hpp"
#include "io/load_into.hpp"
#include "io/safetensors.hpp"
#include "io/torch_writer.hpp"
#include "support/tensors.hpp"

namespace pixelclip {
namespace {
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::TempFolder;
namespace fs = std::filesystem;

ClipArchitecture vit_of(int64_t width, int64_t text_width) {
  ClipArchitecture architecture;
  architecture.vit =
      VitOptions{.width = width, .layers = 1, .patch = 8, .grid = 2, .embedding = 16};
  architecture.text = {.width = text_width,
                       .layers = 1,
                       .heads = 1,
                       .context = 9,
                       .vocabulary = 40,
                       .embedding = 16};
  return architecture;
}

/// A model's file in a folder of its own, what lies beside it, and what open_clip() makes of it.
class Traits : public ::testing::Test {
 protected:
  fs::path put(const std::string& name = "clip.safetensors",
               const ClipArchitecture& architecture = vit_of(64, 64)) {
    const auto path = folder_ / name;
    fs::create_directories(path.parent_path());
    const auto weights = state_of(*CLIP(architecture));
    name.ends_with(".safetensors") ? write_safetensors(path, weights)
                                   : write_torch_file(path, to_value(weights));
    return path;
  }
  ClipArchitecture open(const fs::path& path, const ClipTraits& by_hand = {}) {
    ::testing::internal::CaptureStderr();
    const auto restore = [&] { said_ = ::testing::internal::GetCapturedStderr(); };
    try {
      auto found = open_clip(path.string(), by_hand).architecture;
      restore();
      return found;
    } catch (...) {
      restore();
      throw;
    }
  }
  void beside(const std::string& name, const std::string& json) {
    write_text(folder_ / name, json);
  }
  static constexpr const char* kSizes =
      R"("vision_cfg": {"width": 64, "layers": 1, "head_width": 32},
                                           "text_cfg": {"width": 64, "layers": 1, "heads": 4})";

  TempFolder folder_;
  std::string said_;
};

TEST_F(Traits, OpenClipsConfigurationTellsActivationAndHeads) {
  const auto path = put();
  for (const bool quick : {false, true}) {
    beside("open_clip_config.json", str(R"({"model_cfg": {"embed_dim": 16, "quick_gelu": )",
                                        quick ? "true" : "false", ", ", kSizes, "}}"));
    const auto found = open(path);
    EXPECT_EQ(found.vit->activation, quick ? Activation::quick_gelu : Activation::gelu);
    EXPECT_EQ(found.text.activation, found.vit->activation);
    EXPECT_EQ(found.vit->heads, 2);
    EXPECT_EQ(found.text.heads, 4);
    EXPECT_THAT(said_, AllOf(HasSubstr(quick ? "QuickGELU (open_clip_config.json beside it)"
                                             : ": GELU (open_clip_config.json beside it)"),
                             Not(HasSubstr("warning"))));
  }
  beside("open_clip_config.json", str(R"({"model_cfg": {"embed_dim": 16, )", kSizes, "}}"));
  EXPECT_EQ(open(path).vit->activation, Activation::gelu) << "GELU unless it says otherwise";
  fs::rename(folder_ / "open_clip_config.json", folder_ / "clip.json");
  beside("clip.json", str(R"({"embed_dim": 16, "quick_gelu": true, )", kSizes, "}"));
  EXPECT_EQ(open(path).vit->activation, Activation::quick_gelu)
      << "a model configuration under the file's own name";
}

TEST_F(Traits, HuggingFacesConfigurationTellsActivationAndHeads) {
  const auto path = put("hf/model.safetensors");
  const auto config = [](const std::string& image, const std::string& text) {
    return str(
        R"({"model_type": "clip", "vision_config": {"hidden_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2)",
        image,
        R"(}, "text_config": {"hidden_size": 64, "num_hidden_layers": 1, "num_attention_heads": 4)",
        text, "}}");
  };
  beside("hf/config.json", config(R"(, "hidden_act": "gelu")", R"(, "hidden_act": "quick_gelu")"));
  auto found = open(path);
  EXPECT_EQ(found.vit->activation, Activation::gelu);
  EXPECT_EQ(found.text.activation, Activation::quick_gelu);
  EXPECT_EQ(found.vit->heads, 2);
  EXPECT_EQ(found.text.heads, 4);
  EXPECT_THAT(
      said_,
      HasSubstr("GELU in the image encoder, QuickGELU in the text tower (config.json beside it)"));
  beside("hf/config.json", config("", ""));
  EXPECT_EQ(open(path).text.activation, Activation::quick_gelu) << "its default";
  EXPECT_EQ(open(folder_ / "hf").vit->heads, 2) << "the folder as well";
  beside("hf/config.json", config(R"(, "hidden_act": "gelu_new")", ""));
  EXPECT_ERROR(open(path), AllOf(HasSubstr("hidden_act gelu_new"), HasSubstr("CLIP_ACTIVATION")));
  EXPECT_EQ(open(path, chosen_traits("gelu", {}, "by hand")).vit->activation, Activation::gelu);
}

TEST_F(Traits, PartsThatAreNotComputedHereStop) {
  const auto path = put();
  beside("open_clip_config.json", R"({"model_cfg": {"vision_cfg": {"width": 64, "layers": 1},
      "text_cfg": {"width": 64, "layers": 1, "heads": 1, "no_causal_mask": true}}})");
  EXPECT_ERROR(open(path), HasSubstr("text_cfg.no_causal_mask"));
  auto weights = read_state_dict(path);
  weights["visual.transformer.resblocks.0.ls_1.gamma"] = torch::ones({64});
  CLIP clip(vit_of(64, 64));
  EXPECT_ERROR(
      load_into(*clip, weights, {.source = "x", .must_be_known = {"visual.", "transformer."}}),
      HasSubstr("ls_1.gamma"));
}

TEST_F(Traits, AConfigurationOfAnotherModelOrNoneIsPassedOver) {
  const auto path = put();
  beside(
      "open_clip_config.json",
      R"({"model_cfg": {"vision_cfg": {"width": 1024, "layers": 24}, "text_cfg": {"width": 768}}})");
  beside("config.json", "{");
  EXPECT_EQ(open(path).vit->activation, Activation::quick_gelu);
  EXPECT_THAT(said_, AllOf(HasSubstr("describes another model"), HasSubstr("not valid JSON"),
                           HasSubstr("nothing tells whether")));
  beside("config.json", R"({"architectures": ["Something"]})");
  EXPECT_EQ(open(path).vit->activation, Activation::quick_gelu);
}

TEST_F(Traits, PublishedNamesTellTheActivation) {
  const auto told = [&](const std::string& asked, const fs::path& path) -> std::string {
    const auto found = traits_of_names(asked, path);
    return found.empty()                                    ? "nothing"
           : *found[0].image.activation == Activation::gelu ? "gelu"
                                                            : "quick";
  };
  for (const char* path :
       {"weights/ViT-B-16.pt", "w/ViT-L-14-336px.pt",
        "w/vit_b_32-quickgelu-laion400m_e31-d867053b.pt",
        "hub/models--openai--clip-vit-base-patch16/snapshots/1/model.safetensors",
        "hub/models--timm--vit_base_patch16_clip_224.openai/snapshots/1/"
        "open_clip_model.safetensors",
        "hub/models--apple--DFN5B-CLIP-ViT-H-14/snapshots/1/open_clip_pytorch_model.bin",
        "w/h14_fullcc2.5b.pt",
        "w/vit_large_patch14_clip_224.metaclip_400m/open_clip_model.safetensors"}) {
    EXPECT_EQ(told("", path), "quick") << path;
  }
  for (const char* path :
       {"hub/models--laion--CLIP-ViT-B-16-laion2B-s34B-b88K/snapshots/1/"
        "open_clip_pytorch_model.bin",
        "w/vit_b_16-laion400m_e32-55e67d44.pt",
        "w/CLIP-ViT-B-16-DataComp.XL-s13B-b90K/open_clip_model.safetensors",
        "hub/models--apple--DFN2B-CLIP-ViT-L-14-39B/snapshots/1/open_clip_model.safetensors",
        "w/h14_v1.2_altogether.pt"}) {
    EXPECT_EQ(told("", path), "gelu") << path;
  }
  EXPECT_EQ(told("ViT-B/16", "weights/x.pt"), "quick");
  EXPECT_EQ(told("ViT-B-16-quickgelu", "weights/x.pt"), "quick");
  EXPECT_EQ(told("laion/CLIP-ViT-H-14-laion2B-s32B-b79K", "weights/x.bin"), "gelu");
  EXPECT_EQ(told("mine/x.pt", "mine/x.pt"), "nothing");
}

TEST_F(Traits, TheFileBesideComesBeforeTheNameAndTheHandBeforeBoth) {
  const auto path = put("ViT-B-16.safetensors");
  EXPECT_EQ(open(path).vit->activation, Activation::quick_gelu);
  EXPECT_THAT(said_, HasSubstr("QuickGELU (the name ViT-B-16)"));
  beside("open_clip_config.json", str(R"({"model_cfg": {)", kSizes, "}}"));
  EXPECT_EQ(open(path).vit->activation, Activation::gelu);
  const auto found = open(path, chosen_traits("quick_gelu", {0, 8}, "set by hand"));
  EXPECT_EQ(found.vit->activation, Activation::quick_gelu);
  EXPECT_EQ(found.vit->heads, 2);
  EXPECT_EQ(found.text.heads, 8);
  EXPECT_THAT(said_, HasSubstr("QuickGELU (set by hand)"));
}

TEST_F(Traits, AWarningSaysThatNothingTellsTheActivation) {
  open(put("mine.pth"));
  EXPECT_THAT(said_,
              AllOf(HasSubstr("warning"),
                    HasSubstr("nothing tells whether this CLIP computes with GELU or QuickGELU"),
                    HasSubstr("CLIP_ACTIVATION"), HasSubstr("--activation")));
}

TEST_F(Traits, AFileOfOursRecordsThem) {
  auto architecture = vit_of(64, 64);
  architecture.vit->heads = 4;
  architecture.vit->activation = Activation::gelu;
  const auto path = folder_ / "ours.safetensors";
  write_safetensors(path, state_of(*CLIP(architecture)), record_of(architecture));
  const auto found = open(path);
  EXPECT_EQ(found.vit->heads, 4);
  EXPECT_EQ(found.vit->activation, Activation::gelu);
  EXPECT_EQ(found.text.activation, Activation::quick_gelu);
  EXPECT_THAT(said_, Not(HasSubstr("warning")));
  EXPECT_ERROR(recorded_traits(Dict{{{"clip_heads", "many"}}}, "x"),
               HasSubstr("expected two numbers"));
  EXPECT_ERROR(recorded_traits(Dict{{{"clip_activation", "relu"}}}, "x"),
               HasSubstr("expected gelu or quick_gelu"));
}

TEST_F(Traits, APixelClipCheckpointKeepsWhatThePublicCodeComputes) {
  StateDict weights;
  for (const auto& [name, tensor] : state_of(*CLIP(vit_of(192, 192))))
    weights["sem_seg_head.predictor.clip_model." + name] = tensor;
  const auto path = folder_ / "model.safetensors";
  write_safetensors(path, weights);
  const auto found = open(path);
  EXPECT_EQ(found.vit->activation, Activation::quick_gelu);
  EXPECT_EQ(found.vit->heads, 3);
  EXPECT_EQ(found.text.heads, 3);
  EXPECT_THAT(said_, AllOf(HasSubstr("PixelCLIP's public code"), Not(HasSubstr("warning"))));
}

TEST(Heads, AreThoseOfPublishedWidths) {
  const std::pair<int64_t, int64_t> images[] = {{384, 6},   {512, 8},   {768, 12},  {896, 14},
                                                {1024, 16}, {1280, 16}, {1408, 16}, {1664, 16},
                                                {64, 1},    {128, 2}};
  for (const auto& [width, heads] : images) EXPECT_EQ(published_image_heads(width), heads) << width;
  const std::pair<int64_t, int64_t> texts[] = {{256, 4},  {384, 6},   {512, 8},  {640, 10},
                                               {768, 12}, {1024, 16}, {1280, 20}};
  for (const auto& [width, heads] : texts) EXPECT_EQ(published_text_heads(width), heads) << width;
  for (const int64_t width : {320, 832, 1088, 1600, 2048, 100}) {
    EXPECT_EQ(published_image_heads(width), 0) << width;
    EXPECT_EQ(published_text_heads(width), 0) << width;
  }
}

TEST_F(Traits, WidthsThatNoPublishedModelHasAreRefusedUntilSomethingTells) {
  const auto path = put("mine.safetensors", vit_of(320, 64));
  EXPECT_ERROR(open(path), AllOf(HasSubstr("image encoder of width 320"), HasSubstr("CLIP_HEADS"),
                                 HasSubstr("--heads")));
  EXPECT_EQ(open(path, chosen_traits("auto", {4, 0}, "by hand")).vit->heads, 4);
  EXPECT_ERROR(open(path, chosen_traits("auto", {7, 0}, "by hand")), HasSubstr("do not divide"));
  beside("open_clip_config.json",
         R"({"model_cfg": {"vision_cfg": {"width": 320, "layers": 1, "head_width": 80},
      "text_cfg": {"width": 64, "layers": 1, "heads": 2}}})");
  EXPECT_EQ(open(path).vit->heads, 4);
}

TEST_F(Traits, TheWidthInsideTheMlpsIsReadOffTheTensors) {
  auto architecture = vit_of(64, 64);
  architecture.vit->mlp = 279;  // ViT-g-14 and bigG-14 have none of 4 times the width
  const auto path = put("ViT-B-16.safetensors", architecture);
  const auto clip = open_clip(path.string());
  EXPECT_EQ(clip.architecture.vit->mlp, 279);
  CLIP model(clip.architecture);
  EXPECT_NO_THROW(load_into(*model, clip.weights));
}

TEST(ChosenTraits, OddSettingsAreRefused) {
  EXPECT_ERROR(chosen_traits("relu", {}, "x"), HasSubstr("expected auto, gelu or quick_gelu"));
  EXPECT_ERROR(chosen_traits("auto", {1}, "x"), HasSubstr("two numbers"));
  EXPECT_ERROR(chosen_traits("auto", {1, -2}, "x"), HasSubstr("two numbers"));
}

}  // namespace
}  // namespace pixelclip
