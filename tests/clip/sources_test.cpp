#include "clip/sources.hpp"

#include <torch/utils.h>

#include <optional>

#include "base/file.hpp"
#include "clip/clip.hpp"
#include "clip/find_weights.hpp"
#include "io/load_into.hpp"
#include "io/safetensors.hpp"
#include "support/tensors.hpp"

namespace pixelclip {
namespace {
using ::testing::AllOf;
using testing::close;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::TempFolder;
namespace fs = std::filesystem;

fs::path sources() { return testing::shared_folder() / "golden/sources"; }

CLIP load(const fs::path& file) {
  const auto weights = to_clip_names(read_state_dict(file));
  CLIP clip(clip_architecture(weights));
  load_into(*clip, weights, {.source = file.string(), .may_be_missing = {}, .may_be_unused = {}});
  clip->eval();
  return clip;
}

/// The file's pooled image and text embeddings against `source`.image and .text.
void expect_embeddings(const fs::path& file, const std::string& source) {
  torch::NoGradGuard no_grad;
  const auto expected = read_safetensors(sources() / "expected.safetensors").tensors;
  auto clip = load(sources() / file);
  EXPECT_TRUE(
      close(clip->visual->pooled(expected.at("image")), expected.at(source + ".image"), 1e-5));
  const auto ids = expected.at("ids").to(torch::kLong);
  EXPECT_TRUE(close(clip->encode_text(ids), expected.at(source + ".text"), 1e-5));
}

TEST(Sources, OpenAisHalfPrecisionArchiveGivesItsEmbeddings) {
  SKIP_WITHOUT_SHARED();
  expect_embeddings("openai_vit.pt", "openai");
  torch::NoGradGuard no_grad;
  const auto expected = read_safetensors(sources() / "expected.safetensors").tensors;
  auto clip = load(sources() / "openai_vit.pt");
  EXPECT_TRUE(close(clip->visual->dense(expected.at("image")), expected.at("openai.dense"), 1e-5));
}

TEST(Sources, HuggingFacesNamesGiveItsEmbeddings) {
  SKIP_WITHOUT_SHARED();
  expect_embeddings("hf/model.safetensors", "hf");
}

TEST(Sources, BothFilesOfOpenClipGiveItsEmbeddings) {
  SKIP_WITHOUT_SHARED();
  expect_embeddings("open_clip_model.safetensors", "open_clip");
  expect_embeddings("open_clip_pytorch_model.bin", "open_clip");
}

TEST(Sources, TheStudentOfACheckpointIsAClip) {
  SKIP_WITHOUT_SHARED();
  const auto checkpoint = read_state_dict(testing::shared_folder() / "golden/vit/model.pth");
  const auto weights = to_clip_names(checkpoint);
  CLIP clip(clip_architecture(weights));
  EXPECT_NO_THROW(load_into(*clip, weights));
  EXPECT_TRUE(weights.at("visual.proj")
                  .equal(checkpoint.at("sem_seg_head.predictor.clip_model.visual.proj")));
}

TEST(ToClipNames, DropsWhatIsNoWeightAndWidensHalves) {
  const auto state = to_clip_names({{"input_resolution", torch::tensor(224)},
                                    {"context_length", torch::tensor(77)},
                                    {"vocab_size", torch::tensor(49408)},
                                    {"visual.proj", torch::ones({2, 2}, torch::kHalf)},
                                    {"logit_scale", torch::ones({}, torch::kBFloat16)}});
  ASSERT_EQ(state.size(), 2u);
  EXPECT_EQ(state.at("visual.proj").scalar_type(), torch::kFloat);
  EXPECT_EQ(state.at("logit_scale").scalar_type(), torch::kFloat);
}

TEST(ToClipNames, LiftsATextTowerToTheTop) {
  const auto state = to_clip_names({{"text.token_embedding.weight", torch::ones({2, 2})},
                                    {"text.ln_final.bias", torch::ones({2})},
                                    {"visual.proj", torch::ones({2, 2})}});
  EXPECT_TRUE(state.count("token_embedding.weight"));
  EXPECT_TRUE(state.count("ln_final.bias"));
  EXPECT_TRUE(state.count("visual.proj"));
}

TEST(ToClipNames, JoinsHuggingFacesQueriesKeysAndValuesInThisOrder) {
  const std::string layer = "text_model.encoder.layers.10.self_attn.";
  StateDict state = {{"text_model.embeddings.token_embedding.weight", torch::ones({4, 2})},
                     {"text_model.embeddings.position_ids", torch::arange(4)},
                     {layer + "q_proj.bias", torch::full({2}, 1.0)},
                     {layer + "k_proj.bias", torch::full({2}, 2.0)},
                     {layer + "v_proj.bias", torch::full({2}, 3.0)},
                     {"text_projection.weight", torch::arange(6.0).view({3, 2})},
                     {"something.else", torch::ones({1})}};
  const auto named = to_clip_names(state);
  EXPECT_EQ(named.size(), 4u);
  EXPECT_TRUE(named.at("transformer.resblocks.10.attn.in_proj_bias")
                  .equal(torch::tensor({1.f, 1.f, 2.f, 2.f, 3.f, 3.f})));
  EXPECT_TRUE(named.at("text_projection").equal(state.at("text_projection.weight").t()));
  EXPECT_TRUE(named.count("something.else"));

  state.at(layer + "v_proj.bias") = torch::ones({3});
  EXPECT_ERROR(to_clip_names(state), HasSubstr("does not fit"));
  state.erase(layer + "v_proj.bias");
  EXPECT_ERROR(to_clip_names(state), HasSubstr("v_proj.bias is missing"));
}

/// Environment variables for one test, and a working folder without weights of its own.
class FindWeights : public ::testing::Test {
 protected:
  void SetUp() override {
    start_ = fs::current_path();
    fs::create_directories(folder_ / "work");
    fs::current_path(folder_ / "work");
    for (const char* name :
         {"HOME", "HF_HOME", "HF_HUB_CACHE", "XDG_CACHE_HOME", "PIXELCLIP_WEIGHTS", "TORCH_HOME"}) {
      const char* value = std::getenv(name);
      before_.emplace_back(name, value ? std::optional<std::string>(value) : std::nullopt);
      unsetenv(name);
    }
    setenv("HOME", (folder_ / "home").c_str(), 1);
  }
  void TearDown() override {
    fs::current_path(start_);
    for (const auto& [name, value] : before_) {
      value ? setenv(name.c_str(), value->c_str(), 1) : unsetenv(name.c_str());
    }
  }
  fs::path put(const fs::path& file) {
    const auto path = folder_ / file;
    fs::create_directories(path.parent_path());
    write_text(path, "weights");
    return path;
  }

  TempFolder folder_;

 private:
  fs::path start_;
  std::vector<std::pair<std::string, std::optional<std::string>>> before_;
};

TEST_F(FindWeights, TakesAFileOrAFolderAsPublished) {
  const auto file = put("mine.pt");
  EXPECT_EQ(find_weights(file.string()), file);
  const auto model = put("hf/model.safetensors");
  EXPECT_EQ(find_weights((folder_ / "hf").string()), model);
  fs::create_directories(folder_ / "empty");
  EXPECT_ERROR(find_weights((folder_ / "empty").string()),
               HasSubstr("folder without a weights file"));
}

TEST_F(FindWeights, PrefersTheNamedFolderToWeightsAndThatToTheCacheOfClip) {
  const auto cached = put("home/.cache/clip/ViT-B-16.pt");
  EXPECT_EQ(find_weights("ViT-B/16"), cached);
  put("work/weights/ViT-B-16.safetensors");
  EXPECT_EQ(find_weights("ViT-B/16"), "weights/ViT-B-16.safetensors");
  const auto named = put("named/ViT-B-16.pth");
  setenv("PIXELCLIP_WEIGHTS",
         ((folder_ / "none").string() + ":" + (folder_ / "named").string()).c_str(), 1);
  EXPECT_EQ(find_weights("ViT-B/16"), named);
  EXPECT_EQ(find_weights("ViT-B-16"), named);
}

TEST_F(FindWeights, LooksInTheCachesOfHuggingFace) {
  const std::string repository =
      "models--laion--CLIP-convnext_base_w_320-laion_aesthetic-s13B-b82K-augreg";
  const auto first = put("home/.cache/huggingface/hub/" + repository +
                         "/snapshots/1111/open_clip_pytorch_model.bin");
  EXPECT_EQ(find_weights("convnext_base"), first);
  put("home/.cache/huggingface/hub/" + repository + "/snapshots/2222/open_clip_pytorch_model.bin");
  put("home/.cache/huggingface/hub/" + repository + "/refs/main");
  EXPECT_NE(find_weights("convnext_base"), first);
  write_text(folder_ / "home/.cache/huggingface/hub" / repository / "refs/main", "1111\n");
  EXPECT_EQ(find_weights("convnext_base_w_320"), first);

  setenv("HF_HOME", (folder_ / "hf").c_str(), 1);
  EXPECT_THROW(find_weights("convnext_base"), Error);
  const auto other = put("hf/hub/models--me--clip/snapshots/a/model.safetensors");
  EXPECT_EQ(find_weights("me/clip"), other);
}

TEST_F(FindWeights, FindsAFolderOfOpenClipByItsRepositorysName) {
  const auto file =
      put("work/weights/CLIP-convnext_base_w_320-laion_aesthetic-s13B-b82K-augreg/"
          "open_clip_model.safetensors");
  EXPECT_TRUE(fs::equivalent(find_weights("convnext_base"), file));
}

TEST_F(FindWeights, TakesEveryNameThatThePublicCodeTakesForAConvNeXt) {
  const auto base = put("work/weights/convnext_base.pt"),
             large = put("work/weights/convnext_large.pt");
  for (const char* name : {"convnext_base_w_320", "convnext-base", "my_convnext_base_model"}) {
    EXPECT_TRUE(fs::equivalent(find_weights(name), base)) << name;
  }
  EXPECT_TRUE(fs::equivalent(find_weights("convnext_large_clip"), large));
  EXPECT_THROW(find_weights("convnext_bsae"), Error) << "a slip must not become the large model";
}

TEST_F(FindWeights, FindsDinoWhereTorchHubKeepsIt) {
  EXPECT_ERROR(find_dino_weights(""),
               AllOf(HasSubstr("dino_deitsmall16_pretrain.pth was not found"),
                     HasSubstr("torch/hub/checkpoints"), HasSubstr("MODEL.DINO_WEIGHTS")));
  const auto cached = put("home/.cache/torch/hub/checkpoints/dino_deitsmall16_pretrain.pth");
  EXPECT_EQ(find_dino_weights(""), cached);
  setenv("TORCH_HOME", (folder_ / "torch").c_str(), 1);
  EXPECT_THROW(find_dino_weights(""), Error);
  const auto moved = put("torch/hub/checkpoints/dino_deitsmall16_pretrain.pth");
  EXPECT_EQ(find_dino_weights(""), moved);
  put("work/weights/dino_deitsmall16_pretrain.pth");
  EXPECT_EQ(find_dino_weights(""), "weights/dino_deitsmall16_pretrain.pth");
  EXPECT_EQ(find_dino_weights("mine.pth"), "mine.pth");
}

TEST_F(FindWeights, SaysWhereItLookedAndWhatToFetch) {
  EXPECT_ERROR(
      find_weights("ViT-B/16"),
      AllOf(HasSubstr("weights, "), HasSubstr(".cache/clip"), HasSubstr("huggingface/hub"),
            HasSubstr("PIXELCLIP_WEIGHTS"), HasSubstr("/ViT-B-16.pt (SHA-256 5806e77cd80f8b59")));
  EXPECT_ERROR(find_weights("convnext_base"),
               AllOf(HasSubstr("laion/CLIP-convnext_base_w_320"), Not(HasSubstr("SHA-256"))));
  EXPECT_ERROR(find_weights("ViT-B/15"), HasSubstr("did you mean ViT-B/16"));
  EXPECT_ERROR(find_weights("none.pt"), HasSubstr("none.pt: no such file"));
  EXPECT_ERROR(find_weights(""), HasSubstr("no CLIP weights are named"));
}

}  // namespace
}  // namespace pixelclip
