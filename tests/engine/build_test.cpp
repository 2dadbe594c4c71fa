#include "pixelclip/engine/build.hpp"

#include <torch/utils.h>

#include "pixelclip/io/torch_file.hpp"
#include "support/tensors.hpp"
#include "support/tiny_clip.hpp"

namespace pixelclip {
namespace {
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

/// A checkpoint of a tiny PixelCLIP that tests may change, and the configuration it is for.
class BuildModel : public ::testing::Test {
 protected:
  void SetUp() override {
    config_.model.device = "cpu";
    config_.model.sem_seg_head.num_classes = 3;
    config_.model.sem_seg_head.clip_pretrained = testing::write_tiny_clip(folder_ / "clip.pth").string();
    weights_ = state_of(*build_model(config_, torch::kCPU));
    for (auto& [name, tensor] : weights_) tensor = tensor.detach().clone();
    config_.model.weights = (folder_ / "model.pth").string();
  }
  PixelCLIP load() {
    write_torch_file(folder_ / "model.pth", Dict{{{"model", to_value(weights_)}}});
    return build_model(config_, torch::kCPU);
  }

  testing::TempFolder folder_;
  Config config_;
  StateDict weights_;
};

TEST_F(BuildModel, PassesOverTheDinoOfAPublishedCheckpointAndNamesWhatElseIsNotUsed) {
  weights_["dino.cls_token"] = weights_["dino.blocks.0.norm1.weight"] = torch::ones({1});
  weights_["criterion.empty_weight"] = torch::ones({3});
  weights_.at("head.proj.bias").fill_(7);
  ::testing::internal::CaptureStderr();
  auto model = load();
  const std::string said = ::testing::internal::GetCapturedStderr();
  EXPECT_THAT(said, AllOf(HasSubstr("model.pth: 2 tensors are passed over"), HasSubstr("dino."),
                          Not(HasSubstr("dino.cls_token")), HasSubstr("1 tensors are not used"),
                          HasSubstr("criterion.empty_weight")));
  EXPECT_EQ(state_of(*model).at("head.proj.bias").mean().item<float>(), 7);
}

TEST_F(BuildModel, ListsAllNamesThatAreMissingOrOfAnotherShape) {
  std::vector<std::string> missing;
  for (const auto& [name, tensor] : weights_) {
    if (name.starts_with("teacher_encoder.visual.")) missing.push_back(name);
  }
  for (const auto& name : missing) weights_.erase(name);
  weights_.at("head.proj.bias") = torch::ones({2});
  try {
    load();
    ADD_FAILURE() << "nothing was refused";
  } catch (const Error& error) {
    for (const auto& name : missing) EXPECT_THAT(error.what(), HasSubstr(name));
    EXPECT_THAT(error.what(), HasSubstr("1 of another shape: head.proj.bias [2] instead of"));
  }
}

}  // namespace
}  // namespace pixelclip
