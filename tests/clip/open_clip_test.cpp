#include <torch/utils.h>

#include <cmath>

#include "clip/clip.hpp"
#include "io/state_dict.hpp"
#include "support/tensors.hpp"

namespace pixelclip {
namespace {

/// A family's small model and what open_clip computes of it (2.26.1, float32, weights and inputs as
/// below).
struct Family {
  const char* name;
  int64_t width, heads, mlp, text_width, text_heads, layers;
  bool quick_gelu;
  std::vector<float> image, text;  ///< the first numbers of both embeddings
};

const std::vector<Family>& families() {
  static const std::vector<Family> all = {
      {"ViTB",
       128,
       2,
       512,
       128,
       2,
       2,
       false,
       {-2.666963f, -1.991876f, -0.409197f, 1.411216f, 1.222028f, 0.568504f},
       {-3.045546f, -0.163100f, -1.309891f, 0.376165f, -0.784071f, 0.266400f}},
      {"ViTBQuickGelu",
       128,
       2,
       512,
       128,
       2,
       2,
       true,
       {-2.672682f, -2.003504f, -0.422065f, 1.423120f, 1.206271f, 0.567575f},
       {-3.036573f, -0.131606f, -1.298516f, 0.360742f, -0.772073f, 0.269808f}},
      {"ViTH",
       160,
       2,
       640,
       64,
       1,
       2,
       false,
       {-1.053368f, -0.647331f, -0.596810f, 0.838358f, -1.010881f, -0.031502f},
       {1.431699f, 1.082526f, -0.666258f, -0.040137f, 0.595150f, -0.552583f}},
      {"ViTg",
       176,
       2,
       768,
       64,
       1,
       2,
       false,
       {2.217668f, -3.846947f, 3.538711f, 1.207828f, -0.575295f, -0.132190f},
       {1.431699f, 1.082526f, -0.666258f, -0.040137f, 0.595150f, -0.552583f}},
      {"ViTbigG",
       208,
       2,
       1024,
       128,
       2,
       2,
       false,
       {-0.669079f, -2.954604f, 0.478742f, 5.079579f, 0.640210f, 1.621873f},
       {-3.045546f, -0.163100f, -1.309891f, 0.376165f, -0.784071f, 0.266400f}},
      {"ViTbigGQuickGelu",
       208,
       2,
       1024,
       128,
       2,
       2,
       true,
       {-0.681624f, -2.947350f, 0.495011f, 5.098746f, 0.646514f, 1.641621f},
       {-3.036573f, -0.131606f, -1.298516f, 0.360742f, -0.772073f, 0.269808f}},
      {"TextHeadsOf32",
       128,
       2,
       512,
       128,
       4,
       2,
       false,
       {-2.666963f, -1.991876f, -0.409197f, 1.411216f, 1.222028f, 0.568504f},
       {-5.476257f, -2.634832f, -1.870368f, 0.441286f, -1.907183f, -0.707393f}},
  };
  return all;
}

/// 2·fract(1000·sin(0.731·i + k)) − 1: numbers that any language makes alike.
torch::Tensor numbers(torch::IntArrayRef shape, int64_t k) {
  auto values = torch::empty(shape, torch::kDouble);
  auto* data = values.data_ptr<double>();
  for (int64_t i = 0; i < values.numel(); ++i) {
    const double x = 1000 * std::sin(0.731 * static_cast<double>(i) + static_cast<double>(k));
    data[i] = 2 * (x - std::floor(x)) - 1;
  }
  return values;
}

/// Every tensor by its place among the sorted names.
void fill(CLIP& clip) {
  torch::NoGradGuard no_grad;
  int64_t k = 0;
  for (auto& [name, tensor] : state_of(*clip)) {
    auto values = numbers(tensor.sizes(), k++);
    if (name.find(".ln_") != std::string::npos || name.starts_with("ln_")) {
      values = 0.1 * values + (name.ends_with("weight") ? 1 : 0);
    } else {
      values = 0.25 * values;
    }
    tensor.copy_(values);
  }
}

class OpenClipFamily : public ::testing::TestWithParam<Family> {};

TEST_P(OpenClipFamily, EmbedsPicturesAndTextsAsOpenClipDoes) {
  torch::NoGradGuard no_grad;
  const auto& family = GetParam();
  const auto activation = family.quick_gelu ? Activation::quick_gelu : Activation::gelu;
  ClipArchitecture architecture;
  architecture.vit = VitOptions{.width = family.width,
                                .layers = family.layers,
                                .patch = 8,
                                .grid = 4,
                                .embedding = 16,
                                .heads = family.heads,
                                .mlp = family.mlp,
                                .activation = activation};
  architecture.text = {.width = family.text_width,
                       .layers = family.layers,
                       .heads = family.text_heads,
                       .context = 9,
                       .vocabulary = 40,
                       .embedding = 16,
                       .activation = activation};
  CLIP clip(architecture);
  fill(clip);
  const auto image =
      clip->visual->pooled(numbers({1, 3, 32, 32}, 0).to(torch::kFloat))[0].slice(0, 0, 6);
  const auto text =
      clip->encode_text(torch::tensor({{38, 5, 6, 7, 39, 0, 0, 0, 0}}))[0].slice(0, 0, 6);
  EXPECT_TRUE(testing::close(image, torch::tensor(family.image), 2e-5));
  EXPECT_TRUE(testing::close(text, torch::tensor(family.text), 2e-5));
}

INSTANTIATE_TEST_SUITE_P(Small, OpenClipFamily, ::testing::ValuesIn(families()),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace pixelclip
