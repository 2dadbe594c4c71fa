#include "cli/segmenter_flags.hpp"

#include <charconv>

#include "base/error.hpp"
#include "cli/common_flags.hpp"
#include "cli/inputs.hpp"
#include "clip/dense_method.hpp"
#include "config/config.hpp"
#include "engine/runtime.hpp"

namespace pixelclip::cli {

void add_model_flags(CLI::App& command, SegmenterOptions& options) {
  command.add_option(
      "--config-file,--config", options.config,
      "YAML file of the training (default: config.yaml beside the weights, if there is one)");
  command
      .add_option("--templates", options.templates,
                  "sentences for the names: single, imagenet_select, imagenet, vild, or a file "
                  "with one a line")
      ->capture_default_str();
  command
      .add_option("--activation", options.activation,
                  "of the CLIP's blocks: gelu, quick_gelu, or auto: as the JSON beside the weights "
                  "or a published name says")
      ->check(CLI::IsMember({"auto", "gelu", "quick_gelu"}))
      ->capture_default_str();
  command
      .add_option("--heads", options.heads,
                  "attention heads of the image encoder and the text tower, such as 16,16 "
                  "(default: found out)")
      ->delimiter(',')
      ->expected(2)
      ->check(CLI::Range(0, 4096));
  command
      .add_option_function<int64_t>(
          "--resolution",
          [&options](const int64_t& side) {
            options.resolution = {side, side};
          },
          "side of the encoder's square input, pixels (default: as trained)")
      ->check(CLI::Range(16, 4096));
}

std::shared_ptr<SegmenterOptions> add_segmenter_flags(CLI::App& command, bool windows) {
  auto options = std::make_shared<SegmenterOptions>();
  command
      .add_option("--weights", options->weights,
                  "PixelCLIP or CLIP weights: a file, a folder, or a name that is looked for as "
                  "CLIP_PRETRAINED")
      ->required();
  add_model_flags(command, *options);
  add_device(command, options->device);
  command.add_option("--precision", options->precision, "float32 or bfloat16")
      ->capture_default_str();
  command
      .add_option("--method", options->method,
                  "what CLIP's last block does: pixelclip, vanilla, maskclip, sclip, clearclip, "
                  "naclip, kk or proxyclip (default: MODEL.DENSE.METHOD of the configuration)")
      ->check(CLI::IsMember(all_spellings<DenseMethod>()));
  command.add_option("--helper", options->helper,
                     "DINO or DINOv2 weights of the method proxyclip: a file, or a name such as "
                     "dino_vitb8");
  if (!windows) return options;
  command
      .add_option("--window", options->window,
                  "encode overlapping windows of this side, pixels of an image whose short side "
                  "is MIN_SIZE_TEST "
                  "(640); finer, slower (default: the image whole; panoramas in windows)")
      ->check(CLI::Range(32, 4096));
  return options;
}

Segmenter open_segmenter(const SegmenterOptions& options) {
  const Config config = load_config(options.config);
  runtime::set_up_gpu_math(config.float32_precision, config.cudnn_benchmark, config.deterministic);
  set_current_device(find_device(options.device));
  return Segmenter(options);
}

Background read_background(const std::string& text) {
  if (text.empty()) return {};
  double threshold = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), threshold);
  if (fault == std::errc() && end == text.data() + text.size()) return {threshold, {}};
  if (std::string_view("+-.0123456789").find(text[0]) != std::string_view::npos) {
    fail("--background ", printable(text), " is neither a number such as 0.2 nor a list of names");
  }
  return {{}, read_names(text)};
}

}  // namespace pixelclip::cli
