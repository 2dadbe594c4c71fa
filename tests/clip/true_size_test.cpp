#include <torch/utils.h>

#include <nlohmann/json.hpp>

#include "clip/clip.hpp"
#include "clip/open_clip.hpp"
#include "io/load_into.hpp"
#include "io/safetensors.hpp"
#include "support/tensors.hpp"
#include "text/bpe_tokenizer.hpp"

namespace pixelclip {
namespace {

/// What tests/true_size.sh lets open_clip compute.
TEST(TrueSize, EncodersTextAndTokensAreOpenClips) {
  const char* folder = std::getenv("PIXELCLIP_TRUE_SIZE");
  if (!folder) GTEST_SKIP() << "tests/true_size.sh runs this";
  torch::NoGradGuard no_grad;
  const auto file = read_safetensors(std::filesystem::path(folder) / "expected.safetensors");
  const auto& expected = file.tensors;
  for (const std::string kind : {"vit", "vit_gelu", "convnext"}) {
    const auto name = kind + (kind == "convnext" ? ".safetensors" : ".pt");
    const auto opened = open_clip((std::filesystem::path(folder) / name).string());
    CLIP clip(opened.architecture);
    load_into(*clip, opened.weights);
    clip->eval();
    const auto get = [&](const std::string& name) { return expected.at(kind + "." + name); };
    EXPECT_TRUE(testing::close(clip->visual->pooled(get("pooled.in")), get("pooled.out"), 1e-4))
        << kind;
    EXPECT_TRUE(testing::close(clip->visual->dense(get("dense.in")), get("dense.out"), 1e-4))
        << kind;
    std::vector<std::vector<int64_t>> ids;
    for (const std::string text : nlohmann::json::parse(file.metadata.at("texts"))) {
      ids.push_back(BpeTokenizer::shared().encode(text));
    }
    const auto tokens = pad_tokens(ids);
    const auto padded =
        torch::constant_pad_nd(tokens, {0, BpeTokenizer::kContext - tokens.size(1)});
    EXPECT_TRUE(torch::equal(padded, get("tokens"))) << kind;
    EXPECT_TRUE(testing::close(clip->encode_text(tokens), get("text"), 1e-4)) << kind;
  }
}

}  // namespace
}  // namespace pixelclip
