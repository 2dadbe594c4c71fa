#include <torch/utils.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "base/file.hpp"
#include "export/export_onnx.hpp"
#include "export/onnx_model.hpp"
#include "image/codec.hpp"
#include "inference/segmentation.hpp"
#include "inference/views.hpp"
#include "io/safetensors.hpp"
#include "io/torch_writer.hpp"
#include "nn/functional.hpp"
#include "support/python.hpp"
#include "support/tensors.hpp"

namespace pixelclip {
namespace {
using ::testing::HasSubstr;
namespace fs = std::filesystem;

constexpr double kTolerance = 1e-4;

ClipArchitecture tiny(const std::string& kind) {
  ClipArchitecture tiny;
  tiny.text = {.width = 64, .layers = 2, .heads = 1, .embedding = 16};
  if (kind.starts_with("vit")) {
    tiny.vit = VitOptions{.width = 64, .layers = 3, .patch = 8, .grid = 4, .embedding = 16};
    return tiny;
  }
  tiny.text.activation = Activation::gelu;
  tiny.convnext = ConvNextOptions{.depths = {1, 1, 2, 1},
                                  .widths = {8, 16, 24, 32},
                                  .embedding = 16,
                                  .head_hidden = kind == "convnext_large" ? 24 : 0};
  return tiny;
}

/// What ONNX Runtime computes, and the model's metadata.
Safetensors run_onnx(const std::string& python, const fs::path& model, const StateDict& inputs) {
  const testing::TempFolder folder;
  const auto in = folder / "in.safetensors", out = folder / "out.safetensors";
  write_safetensors(in, inputs);
  const std::string command = str(python, " ", PIXELCLIP_SOURCE_DIR, "/tests/export/run_onnx.py ",
                                  model.string(), " ", in.string(), " ", out.string());
  EXPECT_EQ(std::system(command.c_str()), 0);
  const auto result = read_safetensors(out);
  return {result.tensors, result.metadata};
}

/// A tiny CLIP with its configuration, exported and run by ONNX Runtime.
class Onnx : public ::testing::Test {
 protected:
  void SetUp() override {
    if (has_onnx()) return;
    EXPECT_ERROR(export_onnx(model_, options_), HasSubstr("built without ONNX"));
    GTEST_SKIP() << "the program was built without ONNX";
  }
  void use(const std::string& kind) {
    torch::NoGradGuard no_grad;
    torch::manual_seed(3);
    CLIP clip(tiny(kind));
    // Fresh modules hold the same number in every bias and scale.
    for (auto& parameter : clip->parameters()) parameter.add_(0.1 * torch::randn_like(parameter));
    write_torch_file(folder_ / "clip.pth", to_value(state_of(*clip)));
    std::ofstream(folder_ / "config.yaml")
        << "INPUT: {MIN_SIZE_TEST: 0, FORMAT: BGR}\n"
        << "MODEL: {CLIP_RESOLUTION: [" << (kind.starts_with("vit") ? "40, 56" : "64, 96")
        << "]}\n";
    model_ = {.weights = (folder_ / "clip.pth").string(),
              .device = "cpu",
              .activation = kind == "vit" ? "quick_gelu" : "gelu",
              .heads = {2, 4}};
    options_ = {.out = folder_ / "out.onnx"};
    image_ = Image(90, 70, 3);
    for (size_t i = 0; i < image_.pixels.size(); ++i)
      image_.pixels[i] = static_cast<uint8_t>((i * i / 7 + i) % 256);
  }

  /// Exports, then runs the file on `inputs`.
  Safetensors run(const std::string& python, const StateDict& inputs) {
    export_onnx(model_, options_);
    return run_exported(python, inputs);
  }
  Safetensors run_exported(const std::string& python, const StateDict& inputs) {
    return run_onnx(python, options_.out, inputs);
  }

  torch::Tensor rgb() const {
    return to_tensor(image_, ChannelOrder::rgb).unsqueeze(0);
  }  // [1, 3, H, W]

  testing::TempFolder folder_;
  SegmenterOptions model_;
  OnnxOptions options_;
  Image image_;
};

const std::string kModules = "numpy, onnxruntime";

TEST_F(Onnx, GivesTheProgramsFeaturesOfEachBackbone) {
  SKIP_WITHOUT_PYTHON(python, kModules);
  for (const std::string kind : {"vit", "vit_gelu", "convnext", "convnext_large"}) {
    SCOPED_TRACE(kind);
    use(kind);
    const auto expected = l2_normalise(Segmenter(model_).dense(image_)).unsqueeze(0);
    auto pictures = rgb().to(torch::kFloat).expand({2, -1, -1, -1});
    const auto free = run(python, {{"image", pictures}}).tensors.at("features");
    EXPECT_TRUE(testing::close(free, expected.expand_as(free), kTolerance));
    EXPECT_EQ(free.size(0), 2);
    options_.batch = 1, options_.size = {90, 70}, options_.uint8_input = true;
    const auto fixed = run(python, {{"image", rgb()}}).tensors.at("features");
    EXPECT_TRUE(testing::close(fixed, expected, kTolerance));
  }
}

TEST_F(Onnx, ResizesThePositionEmbeddingInTheGraph) {
  SKIP_WITHOUT_PYTHON(python, kModules);
  for (const std::string kind : {"vit", "convnext"}) {
    SCOPED_TRACE(kind);
    use(kind);
    const Segmenter segmenter(model_);
    options_.resize = false;
    export_onnx(model_, options_);
    for (const Size2 size : {Size2{96, 64}, Size2{32, 32}, Size2{70, 200}}) {
      const auto image = 255 * torch::rand({1, 3, size.height, size.width});
      const auto input = segmenter.encoder().statistics().normalise(image.flip(1));
      const auto expected = l2_normalise(segmenter.clip()->visual->dense(input));
      const auto got = run_exported(python, {{"image", image}}).tensors.at("features");
      EXPECT_TRUE(testing::close(got, expected, kTolerance)) << size.height << "x" << size.width;
    }
  }
}

TEST_F(Onnx, GivesTheProgramsTextEmbeddings) {
  SKIP_WITHOUT_PYTHON(python, kModules);
  const auto ids = torch::tensor({{49406, 320, 1125, 49407, 0, 0}, {49406, 7, 8, 9, 10, 49407}});
  for (const std::string kind : {"vit", "convnext"}) {
    SCOPED_TRACE(kind);
    use(kind);
    CLIP clip = Segmenter(model_).clip();
    const auto expected = l2_normalise(clip->encode_text(ids));
    options_.part = OnnxPart::text;
    const auto free = run(python, {{"ids", ids}}).tensors.at("embeddings");
    EXPECT_TRUE(testing::close(free, expected, kTolerance));
    options_.batch = 2, options_.length = 77;
    const auto padded = torch::constant_pad_nd(ids, {0, 77 - 6});
    const auto fixed = run(python, {{"ids", padded}}).tensors.at("embeddings");
    EXPECT_TRUE(testing::close(fixed, expected, kTolerance));
  }
}

TEST_F(Onnx, ScoresAndLabelsAsSegmentDoes) {
  SKIP_WITHOUT_PYTHON(python, kModules);
  use("vit");
  const std::vector<Background> backgrounds = {
      {}, {0.02, {}}, {{}, {"wall", "sky"}}, {0.02, {"sky"}}};
  for (const auto& background : backgrounds) {
    options_.part = OnnxPart::segmenter;
    options_.names = {"dog, puppy", "grass", "table\\, dining"};
    options_.background = background;
    options_.labels = options_.uint8_input = true;
    const auto found = run(python, {{"image", rgb()}});
    const Segmenter segmenter(model_);
    const Words words = segmenter.words(options_.names, background);
    const auto expected = segment(segmenter.encode(image_), words);
    EXPECT_TRUE(testing::close(found.tensors.at("scores")[0], expected.scores, kTolerance));
    const auto labels = torch::tensor(expected.labels.ids, torch::kInt32).view({1, 90, 70});
    const auto equal = (found.tensors.at("labels") == labels).to(torch::kFloat).mean();
    EXPECT_GE(equal.item<double>(), 0.999);
    EXPECT_EQ(found.metadata.at("names"), nlohmann::json(words.names).dump());
    EXPECT_EQ(found.metadata.at("resolution"), "40x56");
    EXPECT_EQ(nlohmann::json::parse(found.metadata.at("templates")).size(), 8u);
    EXPECT_EQ(nlohmann::json::parse(found.metadata.at("mean")).size(), 3u);
    EXPECT_FALSE(found.metadata.at("version").empty());
  }
}

TEST_F(Onnx, ServesTheExampleWhichFindsWhatSegmentFinds) {
  SKIP_WITHOUT_PYTHON(python, kModules + ", PIL");
  use("vit");
  std::ofstream(folder_ / "config.yaml") << "INPUT: {MIN_SIZE_TEST: 120, MAX_SIZE_TEST: 130}\n"
                                         << "MODEL: {CLIP_RESOLUTION: [40, 56]}\n";
  options_.part = OnnxPart::segmenter, options_.uint8_input = true;
  options_.names = {"dog", "grass", "sky"};
  export_onnx(model_, options_);
  const fs::path image = folder_ / "image.png", found = folder_ / "labels.png";
  write_png(image, image_);
  const std::string command =
      str(python, " ", PIXELCLIP_SOURCE_DIR, "/examples/onnx_segment.py ", options_.out.string(),
          " ", image.string(), " ", found.string(), " > ", (folder_ / "shares.txt").string());
  ASSERT_EQ(std::system(command.c_str()), 0);
  EXPECT_THAT(read_text(folder_ / "shares.txt"), HasSubstr(" %\n"));
  const Segmenter segmenter(model_);
  const auto expected = segment(segmenter.encode(image_), segmenter.words(options_.names));
  const LabelMap labels = read_labels(found);
  ASSERT_EQ(labels.ids.size(), expected.labels.ids.size());
  size_t equal = 0;
  for (size_t i = 0; i < labels.ids.size(); ++i) equal += labels.ids[i] == expected.labels.ids[i];
  EXPECT_GE(equal, labels.ids.size() * 0.995);
}

TEST_F(Onnx, KeepsWeightsBesideTheFileOrInHalfTheSpace) {
  SKIP_WITHOUT_PYTHON(python, kModules);
  use("vit");
  const StateDict input = {{"image", rgb().to(torch::kFloat)}};
  const auto inside = run(python, input).tensors.at("features");
  const auto whole = fs::file_size(options_.out);
  options_.weights_beside = true;
  const auto beside = run(python, input).tensors.at("features");
  EXPECT_TRUE(torch::equal(beside, inside));
  EXPECT_LT(fs::file_size(options_.out), whole / 4);
  EXPECT_GT(fs::file_size(folder_ / "out.onnx.data"), whole / 2);
  options_.weights_beside = false, options_.half = true;
  const auto half = run(python, input).tensors.at("features");
  EXPECT_LT(fs::file_size(options_.out), whole * 0.65);
  EXPECT_TRUE(testing::close(half, inside, 5e-3));
}

TEST_F(Onnx, RefusesWhatItCannotWriteInOneSentenceAndLeavesNothing) {
  use("vit");
  const auto refused = [&](const OnnxOptions& options, const std::string& sentence) {
    EXPECT_ERROR(export_onnx(model_, options), HasSubstr(sentence));
    EXPECT_FALSE(fs::exists(options.out));
  };
  const OnnxOptions usual = options_;
  auto options = usual;
  options.out = folder_ / "no/such/folder/out.onnx";
  refused(options, "cannot write");
  options = usual;
  options.part = OnnxPart::text, options.length = 78;
  refused(options, "exceeds this encoder's context of 77");
  options = usual;
  options.part = OnnxPart::segmenter, options.names = {"dog", " "};
  refused(options, "empty");
  options.names = {};
  refused(options, "no class names");
  options = usual;
  options.resize = false, options.size = {7, 64};
  refused(options, "smaller than one patch");
  std::ofstream(folder_ / "config.yaml") << "MODEL: {DENSE: {METHOD: naclip}}\n";
  refused(usual, "has the method naclip");
  std::ofstream(folder_ / "config.yaml") << "INPUT: {MIN_SIZE_TEST: 0}\n";
  auto weights = read_state_dict(folder_ / "clip.pth");
  weights["visual.proj"] = weights["visual.proj"] * 1e9;
  write_torch_file(folder_ / "clip.pth", to_value(weights));
  options = usual;
  options.half = true;
  refused(options, "too large for half precision");
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_.path()), {}), 2);  // clip.pth, config.yaml
}

/// tests/true_size.sh runs this on the models that it made.
TEST(TrueSizeOnnx, GivesTheProgramsNumbersForBothBackbones) {
  const char* named = std::getenv("PIXELCLIP_TRUE_SIZE");
  if (!named) GTEST_SKIP() << "tests/true_size.sh runs this";
  SKIP_WITHOUT_PYTHON(python, kModules);
  Image rgb(640, 800, 3);  // the size to which the program brings images of this shape
  for (size_t i = 0; i < rgb.pixels.size(); ++i)
    rgb.pixels[i] = static_cast<uint8_t>((i * i / 977 + i / 5) % 256);
  const testing::TempFolder folder;
  for (const std::string file : {"vit.pt", "vit_gelu.pt", "convnext.safetensors"}) {
    SCOPED_TRACE(file);
    const SegmenterOptions model = {.weights = (fs::path(named) / file).string(), .device = "cpu"};
    const Segmenter segmenter(model);
    const auto check = [&](const OnnxOptions& options, const StateDict& inputs, const char* output,
                           const torch::Tensor& expected) {
      export_onnx(model, options);
      const auto got = run_onnx(python, options.out, inputs).tensors.at(output);
      EXPECT_TRUE(testing::close(got, expected, kTolerance)) << output;
    };
    const StateDict image = {{"image", to_tensor(rgb, ChannelOrder::rgb).unsqueeze(0)}};
    OnnxOptions options = {.out = folder / "model.onnx", .uint8_input = true};
    check(options, image, "features", l2_normalise(segmenter.dense(rgb)).unsqueeze(0));
    options.resize = false, options.weights_beside = true;
    const auto input = segmenter.encoder().statistics().normalise(image.at("image"));
    const torch::NoGradGuard no_grad;
    const auto small = input.slice(2, 0, 352).slice(3, 0, 448);
    const StateDict part = {
        {"image", image.at("image").slice(2, 0, 352).slice(3, 0, 448).contiguous()}};
    CLIP clip = segmenter.clip();
    check(options, part, "features", l2_normalise(clip->visual->dense(small)));
    options = {.out = folder / "model.onnx", .part = OnnxPart::text};
    const auto ids = torch::tensor({{49406, 320, 1125, 49407, 0, 0}, {49406, 7, 8, 9, 10, 49407}});
    check(options, {{"ids", ids}}, "embeddings", l2_normalise(clip->encode_text(ids)));
    options.part = OnnxPart::segmenter, options.uint8_input = true;
    options.names = {"dog, puppy", "grass"};
    const auto scores = score_words(segmenter.encode(rgb), segmenter.words(options.names));
    check(options, image, "scores", scores.unsqueeze(0));
  }
}

}  // namespace
}  // namespace pixelclip
