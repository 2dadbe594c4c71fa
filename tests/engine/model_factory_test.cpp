#include "engine/model_factory.hpp"

#include <torch/utils.h>

#include "base/file.hpp"
#include "io/safetensors.hpp"
#include "io/torch_writer.hpp"
#include "support/device.hpp"
#include "support/tiny_clip.hpp"

namespace pixelclip {
namespace {
namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

/// A checkpoint of a tiny PixelCLIP that tests may change, and the configuration it is for.
class ModelFactory : public ::testing::Test {
 protected:
  void SetUp() override {
    config_.model.device = testing::device();
    config_.model.sem_seg_head.num_classes = 3;
    config_.model.sem_seg_head.clip_pretrained =
        testing::write_tiny_clip(folder_ / "clip.pth").string();
    weights_ = state_of(*build_model(config_.model, testing::test_device()));
    for (auto& [name, tensor] : weights_) tensor = tensor.detach().cpu().clone();
    config_.model.weights = (folder_ / "model.pth").string();
  }
  PixelCLIP load(const std::map<std::string, std::string>& record = {}) {
    Dict file{{{"model", to_value(weights_)}}};
    for (const auto& [key, text] : record) file.set(key, text);
    write_torch_file(folder_ / "model.pth", file);
    return build_model(config_.model, testing::test_device());
  }
  Activation activation_of(const PixelCLIP& model) const {
    return model->clip()->architecture().vit->activation;
  }

  testing::TempFolder folder_;
  Config config_;
  StateDict weights_;
};

TEST_F(ModelFactory, PassesOverTheDinoOfAPublishedCheckpointAndNamesWhatElseIsNotUsed) {
  weights_["dino.cls_token"] = weights_["dino.blocks.0.norm1.weight"] = torch::ones({1});
  weights_["criterion.empty_weight"] = torch::ones({3});
  weights_.at("head.proj.bias").fill_(7);
  ::testing::internal::CaptureStderr();
  auto model = load();
  const std::string said = ::testing::internal::GetCapturedStderr();
  EXPECT_THAT(said, AllOf(HasSubstr("model.pth: 2 tensors are ignored"), HasSubstr("dino."),
                          Not(HasSubstr("dino.cls_token")), HasSubstr("1 tensors are not used"),
                          HasSubstr("criterion.empty_weight")));
  EXPECT_EQ(state_of(*model).at("head.proj.bias").mean().item<float>(), 7);
}

TEST_F(ModelFactory, ComputesWithTheActivationThatTheKeyOrTheRecordTells) {
  EXPECT_EQ(activation_of(load()), Activation::quick_gelu) << "as the public code";
  EXPECT_EQ(activation_of(load({{"clip_activation", "gelu"}, {"clip_heads", "1,1"}})),
            Activation::gelu);
  config_.model.sem_seg_head.clip_activation = "gelu";
  config_.model.sem_seg_head.clip_heads = {2, 4};
  const auto model = load();
  EXPECT_EQ(activation_of(model), Activation::gelu);
  EXPECT_EQ(model->clip()->architecture().vit->heads, 2);
  EXPECT_EQ(model->clip()->architecture().text.heads, 4);
  config_.model.sem_seg_head.clip_heads = {3, 4};
  EXPECT_ERROR(load(), HasSubstr("do not divide its width 64"));
}

TEST_F(ModelFactory, TakesAFolderAsHuggingFacePublishesModelsForItsWeights) {
  const auto model = folder_ / "hf";
  fs::create_directories(model);
  const auto clip = read_state_dict(folder_ / "clip.pth");
  StateDict first, second;
  std::string map;
  for (const auto& [name, tensor] : clip) {
    (name.starts_with("visual.") ? first : second)[name] = tensor;
    map += (map.empty() ? "" : ", ") +
           str('"', name, "\": \"", name.starts_with("visual.") ? "a" : "b", ".safetensors\"");
  }
  write_safetensors(model / "a.safetensors", first);
  write_safetensors(model / "b.safetensors", second);
  write_text(model / "model.safetensors.index.json",
             str(R"({"metadata": {}, "weight_map": {)", map, "}}"));
  config_.model.weights = model.string();
  const auto loaded = load_model(config_.model, testing::test_device());
  EXPECT_TRUE(loaded.plain_clip);
  const auto projection =
      state_of(*loaded.model).at("sem_seg_head.predictor.clip_model.visual.proj");
  EXPECT_EQ(projection.device(), testing::test_device());
  EXPECT_TRUE(torch::equal(projection.cpu(), clip.at("visual.proj")));
}

TEST_F(ModelFactory, ListsAllNamesThatAreMissingOrOfAnotherShape) {
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
