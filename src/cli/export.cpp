#include "export/export_onnx.hpp"

#include <charconv>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "cli/commands.hpp"
#include "cli/common_flags.hpp"
#include "cli/inputs.hpp"
#include "cli/output.hpp"
#include "cli/segmenter_flags.hpp"

namespace pixelclip::cli {
namespace {

constexpr int64_t kMost = 16384;

struct ExportFlags {
  SegmenterOptions model;
  OnnxOptions onnx;
  std::string part = "segmenter", names, background, batch = "dynamic", size = "dynamic",
              length = "dynamic", input = "float32";
};

/// A whole number from 1 to 16384, or nothing.
std::optional<int64_t> whole(std::string_view text) {
  int64_t number = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (fault != std::errc() || end != text.data() + text.size() || number < 1 || number > kMost)
    return std::nullopt;
  return number;
}

std::optional<int64_t> read_count(const char* flag, const std::string& text) {
  if (text == "dynamic") return std::nullopt;
  const auto number = whole(text);
  if (!number) fail(flag, " ", printable(text), ": expected dynamic or a number from 1 to ", kMost);
  return number;
}

std::optional<Size2> read_image_size(const std::string& text) {
  if (text == "dynamic") return std::nullopt;
  const size_t x = text.find('x');
  const auto height = whole(text.substr(0, x));
  const auto width = x == text.npos ? height : whole(text.substr(x + 1));
  if (!height || !width) {
    fail("--size ", printable(text),
         ": expected dynamic, a side such as 320, or height and width such as 480x640, in pixels");
  }
  return Size2{*height, *width};
}

OnnxPart read_part(const ExportFlags& flags) {
  const auto part = flags.part == "image"  ? OnnxPart::image
                    : flags.part == "text" ? OnnxPart::text
                                           : OnnxPart::segmenter;
  if (part == OnnxPart::segmenter && flags.names.empty())
    fail("--part segmenter needs --names, the classes whose scores the model gives");
  if (part != OnnxPart::segmenter && (!flags.names.empty() || !flags.background.empty()))
    fail("--names and --background belong to --part segmenter, but the part is ", flags.part);
  return part;
}

void run_export(ExportFlags& flags, const Output& output) {
  OnnxOptions& onnx = flags.onnx;
  onnx.part = read_part(flags);
  onnx.batch = read_count("--batch", flags.batch);
  onnx.length = read_count("--length", flags.length);
  onnx.size = read_image_size(flags.size);
  onnx.uint8_input = flags.input == "uint8";
  if (!flags.names.empty()) onnx.names = read_names(flags.names);
  onnx.background = read_background(flags.background);
  flags.model.device = "cpu";
  export_onnx(flags.model, onnx);
  output.result({{"file", onnx.out.string()},
                 {"part", flags.part},
                 {"bytes", std::filesystem::file_size(onnx.out)}});
}

}  // namespace

void add_export(CLI::App& app) {
  auto* command = app.add_subcommand(
      "export",
      "Write a part of the model as an ONNX file, for ONNX Runtime, TensorRT or OpenVINO.\n\n"
      "image: image [B, 3, H, W] to features [B, h, w, C], L2-normalised. text: ids [N, L] to "
      "embeddings [N, C],\n"
      "L2-normalised. segmenter: image to scores [B, names, 64, 64], the cosines with --names. "
      "Images are RGB from 0 to\n"
      "255. docs/onnx.md describes inputs, outputs and metadata.");
  auto flags = std::make_shared<ExportFlags>();
  OnnxOptions& onnx = flags->onnx;
  command
      ->add_option("FILE", flags->model.weights,
                   "PixelCLIP or CLIP weights: a file, a folder, or a name that is looked for as "
                   "CLIP_PRETRAINED")
      ->required();
  command->add_option("--onnx", onnx.out, "the file to write")->required();
  command->add_option("--part", flags->part, "what to write")
      ->check(CLI::IsMember({"image", "text", "segmenter"}))
      ->capture_default_str();
  add_names(*command, flags->names);
  command->add_option("--background", flags->background,
                      "the background, as for `pixelclip segment`");
  command->add_flag("--labels", onnx.labels,
                    "the segmenter also gives labels [B, H, W], the best class of each pixel");
  add_model_flags(*command, flags->model);
  command->add_option("--input", flags->input, "type of the image")
      ->check(CLI::IsMember({"float32", "uint8"}))
      ->capture_default_str();
  command->add_option("--batch", flags->batch, "images or texts at once: a number or dynamic")
      ->capture_default_str();
  command->add_option("--size", flags->size, "of the image, pixels: 320, 480x640 or dynamic")
      ->capture_default_str();
  command->add_option("--length", flags->length, "ids of a text: a number up to 77 or dynamic")
      ->capture_default_str();
  command->add_flag_callback(
      "--no-resize", [flags] { flags->onnx.resize = false; },
      "encode the image at its own size instead of --resolution; the position embedding is "
      "resized in the graph");
  command->add_flag("--half", onnx.half, "store the weights in 16 bits; the model computes in 32");
  command->add_flag("--external-data", onnx.weights_beside,
                    "store the weights in OUT.onnx.data (weights over 1.9 GB always are)");
  command->footer(
      "Example: pixelclip export model_final.pth --onnx dogs.onnx --names \"dog, grass\" --labels");
  const auto output = add_output_flags(*command);
  command->callback([flags, output] { run_export(*flags, *output); });
}

}  // namespace pixelclip::cli
