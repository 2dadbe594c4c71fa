#include "clip/published.hpp"
#include "clip/open_clip.hpp"

#include <torch/utils.h>

#include "base/file.hpp"
#include "io/load_into.hpp"
#include "io/safetensors.hpp"
#include "support/python.hpp"
#include "support/tensors.hpp"

namespace pixelclip {
namespace {
using ::testing::HasSubstr;
using testing::TempFolder;

/// A CLIP of random weights.
ClipFile random_clip(const ClipArchitecture& architecture) {
  const torch::NoGradGuard no_grad;
  torch::manual_seed(5);
  CLIP clip(architecture);
  // Fresh modules hold the same number in every bias and scale.
  for (auto& parameter : clip->parameters()) parameter.add_(0.1 * torch::randn_like(parameter));
  return {"clip.pth", state_of(*clip), architecture};
}

ClipArchitecture small_vit() {
  ClipArchitecture small;
  small.vit =
      VitOptions{.width = 128, .layers = 2, .patch = 8, .grid = 4, .embedding = 16, .heads = 2};
  small.text = {.width = 64, .layers = 2, .heads = 1, .vocabulary = 99, .embedding = 16};
  return small;
}

ClipArchitecture small_convnext() {
  ClipArchitecture small;
  small.convnext = ConvNextOptions{
      .depths = {3, 3, 9, 3}, .widths = {96, 192, 384, 768}, .embedding = 16, .head_hidden = 32};
  small.text = {.width = 64, .layers = 1, .heads = 1, .vocabulary = 99, .embedding = 16};
  small.text.activation = Activation::gelu;
  return small;
}

/// What is read again from the publisher's files in a folder.
void expect_round_trip(const ClipFile& clip, Publisher publisher) {
  const TempFolder folder;
  const PublishedClip published = publish(clip, publisher);
  const auto file = folder / (published.weights_name + ".safetensors");
  write_safetensors(file, published.weights);
  if (!published.config.empty()) write_text(folder / published.config_name, published.config);
  const ClipFile back = open_clip(file.string());
  ASSERT_EQ(back.weights.size(), clip.weights.size());
  for (const auto& [name, tensor] : clip.weights)
    EXPECT_TRUE(torch::equal(back.weights.at(name), tensor)) << name;
  EXPECT_EQ(record_of(back.architecture), record_of(clip.architecture));
  EXPECT_EQ(back.architecture.describe(), clip.architecture.describe());
}

TEST(Published, NamesOfEveryPublisherReadBackToTheSameWeights) {
  auto architecture = small_vit();
  for (const auto publisher : {Publisher::openai, Publisher::open_clip, Publisher::hugging_face})
    expect_round_trip(random_clip(architecture), publisher);
  expect_round_trip(random_clip(small_convnext()), Publisher::open_clip);
}

TEST(Published, ConfigurationsTellActivationHeadsAndMlpWidth) {
  auto architecture = small_vit();
  architecture.vit->heads = 4, architecture.vit->mlp = 192;
  architecture.text.heads = 2, architecture.text.mlp = 96;
  architecture.vit->activation = architecture.text.activation = Activation::gelu;
  expect_round_trip(random_clip(architecture), Publisher::open_clip);
  architecture.text.activation = Activation::quick_gelu;
  expect_round_trip(random_clip(architecture), Publisher::hugging_face);
}

TEST(Published, HuggingFacesNamesAreThoseOfItsModel) {
  const auto names = publish(random_clip(small_vit()), Publisher::hugging_face).weights;
  for (const char* name :
       {"vision_model.embeddings.class_embedding", "vision_model.pre_layrnorm.weight",
        "vision_model.encoder.layers.1.self_attn.k_proj.bias", "visual_projection.weight",
        "text_model.encoder.layers.0.mlp.fc2.weight", "text_model.final_layer_norm.bias",
        "text_projection.weight", "logit_scale"})
    EXPECT_TRUE(names.count(name)) << name;
  EXPECT_EQ(names.at("visual_projection.weight").sizes(), (std::vector<int64_t>{16, 128}));
}

TEST(Published, ModelsThatAProgramComputesOtherwiseAreRefused) {
  auto gelu = small_vit();
  gelu.vit->activation = Activation::gelu;
  EXPECT_ERROR(publish(random_clip(gelu), Publisher::openai), HasSubstr("computes with QuickGELU"));
  EXPECT_ERROR(publish(random_clip(gelu), Publisher::open_clip),
               HasSubstr("one activation for both towers"));
  const auto convnext = random_clip(small_convnext());
  EXPECT_ERROR(publish(convnext, Publisher::openai), HasSubstr("use --to open_clip"));
  EXPECT_ERROR(publish(convnext, Publisher::hugging_face), HasSubstr("use --to open_clip"));
  auto odd = small_convnext();
  odd.convnext->depths = {1, 1, 1, 1};
  EXPECT_ERROR(publish(random_clip(odd), Publisher::open_clip), HasSubstr("timm"));
}

/// What `program` computes with the files of `publisher`, against the CLIP itself.
void expect_loads(const std::string& program, Publisher publisher, ClipArchitecture architecture) {
  SKIP_WITHOUT_PYTHON(python, program + ", safetensors");
  architecture.text.vocabulary = 49408;
  const auto clip_file = random_clip(architecture);
  const TempFolder folder;
  const PublishedClip published = publish(clip_file, publisher);
  write_safetensors(folder / published.weights_name, published.weights, {{"format", "pt"}});
  write_text(folder / published.config_name, published.config);
  const auto ids = torch::constant_pad_nd(
      torch::tensor({{49406, 320, 1125, 49407, 0}, {49406, 7, 8, 9, 49407}}), {0, 77 - 5});
  const auto side = architecture.vit ? architecture.vit->grid * architecture.vit->patch : 64;
  const auto images = torch::randn({2, 3, side, side});
  const auto in = folder / "in.st", out = folder / "out.st";
  write_safetensors(in, {{"images", images}, {"ids", ids}});
  const std::string command =
      str(python, " ", PIXELCLIP_SOURCE_DIR, "/tests/clip/load_published.py ", program, " ",
          folder.path().string(), " ", in.string(), " ", out.string());
  ASSERT_EQ(std::system(command.c_str()), 0);
  const torch::NoGradGuard no_grad;
  CLIP clip(architecture);
  load_into(*clip, clip_file.weights);
  clip->eval();
  const auto got = read_safetensors(out);
  EXPECT_TRUE(testing::close(got.tensors.at("images"), clip->visual->pooled(images), 1e-4));
  EXPECT_TRUE(testing::close(got.tensors.at("text"), clip->encode_text(ids), 1e-4));
}

TEST(Published, LoadsInTransformers) {
  auto architecture = small_vit();
  architecture.vit->heads = 4, architecture.vit->mlp = 192;
  architecture.vit->activation = Activation::gelu;
  expect_loads("transformers", Publisher::hugging_face, architecture);
}

TEST(Published, LoadsInOpenClipWithEachBackbone) {
  auto architecture = small_vit();
  architecture.vit->heads = 4, architecture.vit->mlp = 192;
  expect_loads("open_clip", Publisher::open_clip, architecture);
  if (IsSkipped()) return;
  expect_loads("open_clip", Publisher::open_clip, small_convnext());
}

}  // namespace
}  // namespace pixelclip
