#include "modeling/prompt_learner.hpp"

#include <torch/utils.h>

#include "support/device.hpp"
#include "support/tensors.hpp"
#include "text/bpe_tokenizer.hpp"
#include "text/prompts.hpp"

namespace pixelclip {
namespace {
using testing::close;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::on_device;
using torch::Tensor;

CLIP tiny_clip() {
  torch::manual_seed(1);
  ClipArchitecture architecture;
  architecture.vit = VitOptions{.width = 64, .layers = 1, .patch = 8, .grid = 2, .embedding = 16};
  architecture.text = {.width = 64, .layers = 2, .heads = 1, .embedding = 16};
  CLIP clip(architecture);
  clip->eval();
  clip->to(testing::test_device());
  return clip;
}

Tensor normalise(const Tensor& x) { return x / x.norm(2, {-1}, true); }

Tensor alone(CLIP& clip, const std::string& text) {
  const auto tokens = on_device(pad_tokens({BpeTokenizer::shared().encode(text)}));
  return normalise(clip->encode_text(tokens))[0];
}

/// prompt_templates() of four words on the device.
std::vector<PromptTemplate> templates_there(const std::vector<std::string>& sentences) {
  auto layouts = prompt_templates(sentences, 4);
  for (auto& layout : layouts) layout = layout.to(testing::test_device());
  return layouts;
}

TEST(EncodeClasses, GivesWhatEachTextGivesAlone) {
  torch::NoGradGuard no_grad;
  auto clip = tiny_clip();
  // More names than one batch takes, of many lengths, one twice.
  std::vector<std::string> names = {"cat", "a chest of drawers made of oak", "cat"};
  for (int i = 0; i < 150; ++i) names.push_back("thing number " + std::to_string(i * 37));
  const std::vector<std::string> sentences = {"a photo of a {}.", "{}",
                                              "art of the {} in the scene"};
  const auto classes = encode_classes(clip, names, sentences);
  ASSERT_EQ(classes.sizes().vec(), (std::vector<int64_t>{3, 153, 16}));
  for (const int64_t n : {0, 1, 2, 80, 152}) {
    for (int64_t t = 0; t < 3; ++t) {
      EXPECT_TRUE(close(classes[t][n], alone(clip, fill_template(sentences[t], names[n])), 1e-5))
          << n << " " << t;
    }
  }
}

TEST(EncodeClasses, AveragesSynonymsWithinEachTemplate) {
  torch::NoGradGuard no_grad;
  auto clip = tiny_clip();
  const auto classes = encode_classes(clip, {"sky, cloud"}, {"a {}.", "the {}"});
  for (int64_t t = 0; t < 2; ++t) {
    const std::string head = t == 0 ? "a " : "the ", tail = t == 0 ? "." : "";
    const auto mean = (alone(clip, head + "sky" + tail) + alone(clip, head + "cloud" + tail)) / 2;
    EXPECT_TRUE(close(classes[t][0], normalise(mean), 1e-5));
  }
}

TEST(EncodeClasses, LongTextsAreCutForAConvNextAndRefusedForAVit) {
  torch::NoGradGuard no_grad;
  std::string name;
  for (int i = 0; i < 80; ++i) name += "cat ";
  auto vit = tiny_clip();
  EXPECT_ERROR(encode_classes(vit, {name}, {"a {}"}), HasSubstr("83 tokens"));
  ClipArchitecture architecture;
  architecture.convnext =
      ConvNextOptions{.depths = {1, 1, 1, 1}, .widths = {8, 8, 8, 8}, .embedding = 16};
  architecture.text = {.width = 64, .layers = 1, .heads = 1, .embedding = 16};
  CLIP convnext(architecture);
  convnext->to(testing::test_device());
  ::testing::internal::CaptureStderr();
  const auto classes = encode_classes(convnext, {name, "dog"}, {"a {}", "the {}"});
  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              HasSubstr("2 class texts are cut to 77 tokens"));
  std::string fits = "a ";
  for (int i = 0; i < 74; ++i) fits += "cat ";
  EXPECT_TRUE(close(classes[0][0], alone(convnext, fits), 1e-5));
}

TEST(PromptTemplates, FindTheSlotsOfEveryPublishedTemplate) {
  for (const char* set : {"single", "imagenet_select", "imagenet", "vild"}) {
    for (const auto& layout : prompt_templates(templates(set), 4))
      EXPECT_EQ(layout.slots.numel(), 4) << set;
  }
  const auto single = prompt_templates({"A photo of a {} in the scene"}, 4).front();
  EXPECT_TRUE(single.slots.equal(torch::tensor({5, 6, 7, 8})));
  const auto ids = BpeTokenizer::shared().encode("A photo of a {} {} {} {} in the scene");
  EXPECT_TRUE(single.ids.equal(torch::tensor(ids)));
  EXPECT_EQ(single.end.item<int64_t>(), static_cast<int64_t>(ids.size()) - 1);
  EXPECT_ERROR(prompt_templates({"a {} like {}"}, 4), HasSubstr("8 learnable tokens instead of 4"));
}

TEST(EncodePrompts, GivesEachTemplateItsOwnSentence) {
  auto clip = tiny_clip();
  const auto prompts = initial_prompt_tokens(clip, 3, 4).requires_grad_();
  const std::vector<std::string> sentences = {"A photo of a {} in the scene", "art of the {}.",
                                              "itap of a {}."};
  Tensor sum = on_device(torch::zeros({3, 16}));
  std::vector<Tensor> singles;
  for (const auto& sentence : sentences) {
    singles.push_back(encode_prompts(clip, prompts, templates_there({sentence})));
    sum = sum + singles.back();
  }
  EXPECT_FALSE(close(singles[0], singles[1], 1e-2));
  const auto ensemble = encode_prompts(clip, prompts, templates_there(sentences));
  EXPECT_TRUE(close(ensemble, sum / 3, 1e-5));
  ensemble.square().sum().backward();
  EXPECT_GT(prompts.grad().abs().amax({1, 2}).min().item<float>(), 0);
}

TEST(EncodePrompts, OfOrdinaryTokensIsTheTextOfThoseTokens) {
  torch::NoGradGuard no_grad;
  auto clip = tiny_clip();
  const auto ids = BpeTokenizer::shared().encode("A photo of a big red dog house in the scene");
  const auto tokens = on_device(pad_tokens({ids}));
  const auto words = tokens.slice(1, 5, 9);
  const auto prompted = encode_prompts(clip, clip->embed_tokens(words),
                                       templates_there({"A photo of a {} in the scene"}));
  EXPECT_TRUE(close(prompted, clip->encode_text(tokens), 1e-5));
}

TEST(InitialPromptTokens, AreDeterministic) {
  auto clip = tiny_clip();
  const auto first = initial_prompt_tokens(clip, 5, 4);
  torch::manual_seed(99);
  torch::rand({7});
  EXPECT_TRUE(torch::equal(initial_prompt_tokens(clip, 5, 4), first));
}

}  // namespace
}  // namespace pixelclip
