#include "modeling/pixelclip.hpp"

#include <torch/utils.h>

#include <ATen/CPUGeneratorImpl.h>

#include "nn/functional.hpp"
#include "support/device.hpp"
#include "support/tensors.hpp"

namespace pixelclip {
namespace {
using testing::close;
using torch::Tensor;

ClipArchitecture small_architecture(bool convnext) {
  ClipArchitecture architecture;
  architecture.text = {.width = 16, .layers = 1, .heads = 1, .context = 20, .embedding = 32};
  if (convnext) {
    architecture.convnext =
        ConvNextOptions{.depths = {1, 1, 2, 1}, .widths = {8, 16, 24, 32}, .embedding = 32};
  } else {
    architecture.vit = VitOptions{.width = 64, .layers = 2, .patch = 8, .grid = 4, .embedding = 32};
  }
  return architecture;
}

ModelConfig small_config() {
  ModelConfig config;
  config.clip_resolution = {32, 32};
  config.mask_resolution = {16, 16};
  config.sem_seg_head.num_classes = 8;
  config.sem_seg_head.prompt_length = 4;
  return config;
}

/// A model that starts from random CLIP weights.
PixelCLIP small_model(const ModelConfig& config, bool convnext, uint64_t seed = 1) {
  torch::manual_seed(seed);
  CLIP clip(small_architecture(convnext));
  torch::NoGradGuard no_grad;
  for (auto& item : clip->named_parameters()) {
    if (item.key().ends_with("gamma")) item.value().fill_(0.5);  // so that the blocks matter
  }
  PixelCLIP model(config, small_architecture(convnext));
  model->start_from_clip(state_of(*clip), "clip");
  model->to(testing::test_device());
  return model;
}

TrainSample sample_of(const Tensor& image) {
  TrainSample sample;
  sample.image = image;
  return sample;
}

TEST(Teacher, MovesAThousandthOfTheWayToTheStudent) {
  torch::NoGradGuard no_grad;
  auto model = small_model(small_config(), /*convnext=*/false);
  const auto all = model->named_parameters();
  const auto student = all["sem_seg_head.predictor.clip_model.visual.proj"];
  const auto teacher = all["teacher_encoder.visual.proj"];
  student.add_(1);
  EXPECT_GT(model->teacher_distance(), 0.01);
  const auto before = teacher.clone();
  model->update_teacher();
  EXPECT_TRUE(close(teacher, before + 0.001 * (student - before), 1e-6));
  EXPECT_TRUE(close(student, before + 1, 1e-6));
}

TEST(Teacher, ItsTextTensorsAreTheStudentsAlsoAfterAMove) {
  auto model = small_model(small_config(), /*convnext=*/false);
  const auto shared = [&] {
    int count = 0;
    const auto buffers = model->named_buffers();
    for (const auto& item : model->clip()->named_parameters()) {
      const auto* found = buffers.find("teacher_encoder." + item.key());
      if (!found) continue;
      EXPECT_EQ(found->const_data_ptr(), item.value().const_data_ptr()) << item.key();
      ++count;
    }
    return count;
  };
  EXPECT_GT(shared(), 3);
  model->to(torch::kDouble);
  model->to(testing::test_device());
  EXPECT_GT(shared(), 3);
}

TEST(Teacher, DropsBlocksInTrainingAsTheStudentDoes) {
  torch::NoGradGuard no_grad;
  auto config = small_config();
  config.drop_path_rate = 0.6;
  const auto image = torch::randint(0, 256, {3, 32, 32}, torch::kUInt8);
  const TrainBatch batch(4, sample_of(image));
  auto model = small_model(config, /*convnext=*/true);
  const auto stream = [](uint64_t seed) { return at::make_generator<at::CPUGeneratorImpl>(seed); };
  const auto taught = [&](uint64_t seed) {
    return l2_normalise(model->teacher_features(model->upload(batch), stream(seed)));
  };
  model->eval();
  const auto still = taught(3);
  model->train();
  EXPECT_FALSE(close(taught(3), still, 1e-3));
  EXPECT_FALSE(close(taught(4), taught(3), 1e-3));
  const auto student = model->student_features(model->upload(batch), stream(3));
  EXPECT_TRUE(testing::same(student, taught(3)));

  config.teacher_drop_path = false;
  model = small_model(config, /*convnext=*/true);
  model->train();
  EXPECT_TRUE(close(taught(3), still, 1e-6));
}

TEST(Teacher, KeepsTheStudentsTextTensorsThroughAConversion) {
  auto model = small_model(small_config(), /*convnext=*/false);
  model->to(torch::kDouble);
  model->to(testing::test_device(), torch::kFloat);
  const auto all = model->named_parameters();
  int64_t shared = 0;
  for (const auto& item : model->named_buffers()) {
    const std::string prefix = "teacher_encoder.";
    ASSERT_TRUE(item.key().starts_with(prefix)) << item.key();
    const auto name = "sem_seg_head.predictor.clip_model." + item.key().substr(prefix.size());
    EXPECT_EQ(item.value().data_ptr(), all[name].data_ptr()) << name;
    EXPECT_EQ(item.value().scalar_type(), torch::kFloat) << name;
    ++shared;
  }
  EXPECT_GT(shared, 4);
}

// Values of PyTorch's layers, made in the public decoder's order after manual_seed(0) and the draw
// of the prompts' 8 × 4 words.
TEST(Decoder, IsInitializedFromSeed0) {
  const std::tuple<const char*, double, double, double> expected[] = {
      {"conv0.weight", -0.216059893, -0.154197454, -1.45223412},
      {"conv0.bias", -0.16417405, -0.0480412245, 0.0199622121},
      {"up1.weight", -0.0109779015, 0.0271059349, 4.87969403},
      {"conv1.double_conv.3.weight", 0.0415661484, 0.015848916, -0.653040994},
      {"up2.bias", 0.002592579, -0.0362233184, -0.127140523},
      {"conv2.double_conv.0.weight", 0.0201889724, 0.0318449736, -1.5461089},
      {"proj.weight", 0.0272675995, -0.0562242605, 0.0843887813},
      {"proj.bias", 0.0421131812, 0.0421131812, 0.0421131812}};
  for (const uint64_t seed : {1, 2}) {
    auto model = small_model(small_config(), /*convnext=*/false, seed);
    const auto parameters = model->named_parameters();
    for (const auto& [name, first, last, sum] : expected) {
      const auto values = parameters[str("head.", name)].detach().flatten();
      EXPECT_NEAR(values[0].item<double>(), first, 1e-8) << name;
      EXPECT_NEAR(values[-1].item<double>(), last, 1e-8) << name;
      EXPECT_NEAR(values.to(torch::kDouble).sum().item<double>(), sum, 1e-6) << name;
    }
  }
}

TEST(Decoder, ItsInitializationDoesNotChangeTheRandomStream) {
  auto model = small_model(small_config(), /*convnext=*/false);
  const auto weights = state_of(*model->clip());
  torch::manual_seed(7);
  const auto expected = torch::rand({4});
  torch::manual_seed(7);
  model->start_from_clip(weights, "clip");
  EXPECT_TRUE(torch::equal(torch::rand({4}), expected));
}

TEST(Batches, ArePaddedAfterNormalisationToTheLargestOrTheFrame) {
  torch::NoGradGuard no_grad;
  auto config = small_config();
  config.clip_pixel_mean = {120, 110, 100};
  auto model = small_model(config, /*convnext=*/false);
  model->train();
  const auto padded = [](const Tensor& image, int64_t height, int64_t width) {
    auto canvas = torch::tensor({120, 110, 100}, torch::kUInt8)
                      .view({3, 1, 1})
                      .expand({3, height, width})
                      .clone();
    canvas.slice(1, 0, image.size(1)).slice(2, 0, image.size(2)).copy_(image);
    return sample_of(canvas);
  };
  const auto tall = torch::randint(0, 256, {3, 40, 20}, torch::kUInt8);
  const auto wide = torch::randint(0, 256, {3, 24, 30}, torch::kUInt8);
  const auto clusters = model->encode_clusters();
  const TrainBatch whole = {padded(tall, 40, 30), padded(wide, 40, 30)};
  const auto maps = [&](const TrainBatch& batch) {
    return model->cost_maps(model->upload(batch), clusters);
  };
  const auto features = [&](const TrainBatch& batch) {
    return model->teacher_features(model->upload(batch));
  };
  const auto expected = maps(whole);
  const TrainBatch batch = {sample_of(tall), sample_of(wide)};
  EXPECT_TRUE(close(maps(batch), expected, 1e-6));
  EXPECT_TRUE(close(features(batch), features(whole), 1e-6));
  auto alone = sample_of(wide);
  EXPECT_FALSE(close(maps({alone})[0], expected[1], 1e-3));
  alone.frame = {40, 30};
  EXPECT_TRUE(close(maps({alone})[0], expected[1], 1e-6));
}

TEST(ClassEmbeddings, InFloat16DifferByItsRoundingAlone) {
  torch::NoGradGuard no_grad;
  auto config = small_config();
  auto model = small_model(config, /*convnext=*/false);
  const std::vector<std::string> names = {"cat", "sky, cloud", "traffic light"},
                                 sentences = {"a {}.", "the {}"};
  const auto exact = model->class_embeddings(names, sentences);
  config.text_precision = FloatType::float16;
  model = small_model(config, /*convnext=*/false);
  const auto rounded = model->class_embeddings(names, sentences);
  EXPECT_EQ(rounded.scalar_type(), torch::kFloat);
  EXPECT_FALSE(torch::equal(rounded, exact));
  EXPECT_TRUE(close(rounded, exact, 5e-3));
}

}  // namespace
}  // namespace pixelclip
