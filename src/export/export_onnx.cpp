#include "export/export_onnx.hpp"

#include <torch/utils.h>

#include <limits>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/log.hpp"
#include "export/onnx_encoders.hpp"
#include "inference/windows.hpp"

namespace pixelclip {
using torch::Tensor;
namespace {

OnnxDim dim(const std::optional<int64_t>& size, const char* name) {
  return size ? OnnxDim(*size) : OnnxDim(std::string(name));
}

/// Weights in CLIP's names for an encoder that takes RGB, whatever it was trained with.
StateDict rgb_weights(const Segmenter& segmenter) {
  StateDict weights = state_of(*segmenter.clip());
  if (segmenter.format() == ChannelOrder::rgb) return weights;
  for (const char* first : {"visual.conv1.weight", "visual.trunk.stem.0.weight"}) {
    if (weights.count(first)) weights[first] = weights[first].flip(1);
  }
  return weights;
}

std::string numbers(const Tensor& tensor) {
  const auto flat = tensor.flatten().to(torch::kCPU).contiguous();
  return nlohmann::json(std::vector<float>(flat.const_data_ptr<float>(),
                                           flat.const_data_ptr<float>() + flat.numel()))
      .dump();
}

class Exporter {
 public:
  Exporter(OnnxModel& model, const Segmenter& segmenter, const OnnxOptions& options)
      : model_(model),
        segmenter_(segmenter),
        options_(options),
        weights_(rgb_weights(segmenter)),
        graph_(model, weights_, options.half) {}

  void text() {
    const auto& text = segmenter_.clip()->text_options();
    if (options_.length && *options_.length > text.context)
      fail("a text of ", *options_.length, " ids exceeds this encoder's context of ", text.context);
    const auto batch = dim(options_.batch, "texts");
    model_.add_input("ids", OnnxType::int64, {batch, dim(options_.length, "length")},
                     "CLIP's token ids of each text, zeros behind the end token");
    normalised("embeddings", onnx_text(graph_, text, "ids"));
    model_.add_output("embeddings", OnnxType::float32, {batch, text.embedding},
                      "L2-normalised embedding of each text");
    model_.set_metadata("context", std::to_string(text.context));
  }

  void image() {
    const auto features = dense(input());
    normalised("features", features);
    const auto grid = grid_size();
    const auto side = [&](int64_t Size2::*of, const char* name) {
      return grid ? OnnxDim((*grid).*of) : OnnxDim(std::string(name));
    };
    model_.add_output("features", OnnxType::float32,
                      {dim(options_.batch, "batch"), side(&Size2::height, "grid_height"),
                       side(&Size2::width, "grid_width"), embedding()},
                      "L2-normalised embedding at each position of the encoder's grid");
  }

  void segmenter() {
    const Words words = segmenter_.words(options_.names, options_.background);
    const auto scores = with_background(cosines(dense(input()), words), words);
    graph_.named("scores", "Identity", {scores});
    const auto batch = dim(options_.batch, "batch");
    const auto classes = static_cast<int64_t>(words.names.size());
    model_.add_output("scores", OnnxType::float32, {batch, classes, kScoreGrid, kScoreGrid},
                      "cosine of each class with the cells of a 64x64 grid over the image");
    model_.set_metadata("names", nlohmann::json(words.names).dump());
    model_.set_metadata("templates", nlohmann::json(segmenter_.templates()).dump());
    if (!options_.labels) return;
    const auto upsampled = graph_.resize("scores", graph_.shape("image", 2, 4), "linear");
    const auto best =
        graph_.op("ArgMax", {upsampled}, {{"axis", int64_t{1}}, {"keepdims", int64_t{0}}});
    graph_.named("labels", "Cast", {best}, {{"to", static_cast<int64_t>(OnnxType::int32)}});
    model_.add_output("labels", OnnxType::int32, {batch, height(), width()},
                      "position in the metadata's names of each pixel's best class");
  }

 private:
  int64_t embedding() const { return segmenter_.clip()->architecture().embedding(); }
  OnnxDim height() const {
    return options_.size ? OnnxDim(options_.size->height) : OnnxDim("height");
  }
  OnnxDim width() const { return options_.size ? OnnxDim(options_.size->width) : OnnxDim("width"); }

  /// What the encoder sees, where that is known.
  std::optional<Size2> encoder_size() const {
    return options_.resize ? std::optional(segmenter_.resolution()) : options_.size;
  }
  std::optional<Size2> grid_size() const {
    const auto size = encoder_size();
    if (!size) return std::nullopt;
    const int64_t patch = segmenter_.encoder().patch();
    return Size2{size->height / patch, size->width / patch};
  }

  /// Values [3, 1, 1] of the encoder's channels in the order of RGB.
  Tensor in_rgb(const Tensor& channels) const {
    return segmenter_.format() == ChannelOrder::bgr ? channels.flip(0) : channels;
  }

  /// The input image as the encoder takes it: [B, 3, H, W], normalised, resized.
  OnnxValue input() {
    const int64_t patch = segmenter_.encoder().patch();
    if (const auto size = encoder_size(); size && (size->height < patch || size->width < patch)) {
      fail("an image of ", size->height, "x", size->width,
           " pixels is smaller than one patch of this encoder, ", patch, " pixels");
    }
    model_.add_input("image", options_.uint8_input ? OnnxType::uint8 : OnnxType::float32,
                     {dim(options_.batch, "batch"), int64_t{3}, height(), width()},
                     "RGB, values from 0 to 255");
    const auto mean = in_rgb(segmenter_.encoder().statistics().mean);
    const auto std = in_rgb(segmenter_.encoder().statistics().std);
    OnnxValue x = "image";
    if (options_.uint8_input)
      x = graph_.op("Cast", {x}, {{"to", static_cast<int64_t>(OnnxType::float32)}});
    x = graph_.op("Sub", {x, graph_.exact("mean", mean.unsqueeze(0))});
    x = graph_.op("Div", {x, graph_.exact("std", std.unsqueeze(0))});
    const auto to = segmenter_.resolution();
    if (options_.resize && options_.size != to)
      x = graph_.resize(x, graph_.ints({to.height, to.width}), "linear");
    model_.set_metadata("mean", numbers(mean));
    model_.set_metadata("std", numbers(std));
    const auto size = encoder_size();
    model_.set_metadata("resolution", size ? str(size->height, "x", size->width) : "free");
    model_.set_metadata("patch", std::to_string(patch));
    model_.set_metadata("short_side", std::to_string(segmenter_.short_side()));
    model_.set_metadata("long_side", std::to_string(segmenter_.long_side()));
    return x;
  }

  /// Errors: a dense method of which there is no graph.
  OnnxValue dense(const OnnxValue& images) {
    const auto& options = segmenter_.encoder().options();
    const bool known =
        options.form == DenseForm::automatic || options.form == DenseForm::class_token;
    if (options.method != DenseMethod::pixelclip || !known) {
      fail(
          "ONNX files compute MODEL.DENSE.METHOD pixelclip in its own form, but the configuration "
          "has the method ",
          options.method, ": set it to pixelclip, or export another configuration");
    }
    return onnx_dense(graph_, segmenter_.clip()->architecture(), images, encoder_size());
  }

  void normalised(const std::string& output, const OnnxValue& x) {
    graph_.named(output, "Identity", {graph_.l2_normalise(x, -1)});
  }

  /// score_words() of one window: features [B, h, w, C] → cosines [B, rows, 64, 64].
  OnnxValue cosines(const OnnxValue& features, const Words& words) {
    const auto cells = graph_.ints({kScoreGrid, kScoreGrid});
    const auto dots =
        graph_.op("MatMul", {features, graph_.exact("text_embeddings", words.bank.embeddings.t())});
    const auto resized = graph_.resize(graph_.transpose(features, {0, 3, 1, 2}), cells, "linear");
    return graph_.divide_by_length(
        graph_.resize(graph_.transpose(dots, {0, 3, 1, 2}), cells, "linear"),
        graph_.length(resized, 1));
  }

  OnnxValue with_background(const OnnxValue& scores, const Words& words) {
    if (!words.with_background()) return scores;
    const auto end = graph_.ints({static_cast<int64_t>(words.names.size()) - 1});
    const auto classes = graph_.slice(scores, graph_.ints({0}), end, 1);
    OnnxValue rest;
    if (words.bank.background < 0) {
      const auto one = graph_.slice(scores, graph_.ints({0}), graph_.ints({1}), 1);
      rest = graph_.op("Expand", {graph_.number(*words.least_cosine), graph_.op("Shape", {one})});
    } else {
      const auto all = graph_.ints({std::numeric_limits<int64_t>::max()});
      rest = graph_.op("ReduceMax", {graph_.slice(scores, end, all, 1)},
                       {{"axes", std::vector<int64_t>{1}}, {"keepdims", int64_t{1}}});
      if (words.least_cosine) rest = graph_.op("Max", {rest, graph_.number(*words.least_cosine)});
    }
    return graph_.concat({classes, rest}, 1);
  }

  OnnxModel& model_;
  const Segmenter& segmenter_;
  const OnnxOptions& options_;
  const StateDict weights_;
  OnnxGraph graph_;
};

constexpr const char* kPartNames[] = {"image", "text", "segmenter"};

}  // namespace

void export_onnx(const SegmenterOptions& model, const OnnxOptions& options) {
  const torch::NoGradGuard no_grad;
  OnnxModel onnx;  // before the weights are read: the program may have been built without ONNX
  const Segmenter segmenter(model);
  onnx.set_metadata("part", kPartNames[static_cast<int>(options.part)]);
  onnx.set_metadata("weights", std::filesystem::path(model.weights).filename().string());
  onnx.set_metadata("architecture", segmenter.description());
  Exporter exporter(onnx, segmenter, options);
  if (options.part == OnnxPart::text) exporter.text();
  if (options.part == OnnxPart::image) exporter.image();
  if (options.part == OnnxPart::segmenter) exporter.segmenter();
  const bool beside = onnx.write(options.out, options.weights_beside);
  log::info("wrote ", options.out.string(),
            beside ? str(" and its weights ", options.out.string(), ".data") : "");
}

}  // namespace pixelclip
