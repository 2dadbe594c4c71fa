#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/log.hpp"
#include "cli/commands.hpp"
#include "cli/common_flags.hpp"
#include "cli/image_work.hpp"
#include "cli/output.hpp"
#include "cli/segmenter_flags.hpp"
#include "inference/segmenter.hpp"
#include "io/safetensors.hpp"
#include "nn/device_thread.hpp"

namespace pixelclip::cli {
namespace {

struct FeatureFlags {
  std::vector<std::string> inputs;
  std::filesystem::path out;
  std::string names;
  bool half = false;
};

void run_features(const FeatureFlags& flags, const SegmenterOptions& options,
                  const Output& output) {
  const Inputs inputs = find_inputs(flags.inputs, /*videos=*/false);
  const auto names = flags.names.empty() ? std::vector<std::string>() : read_names(flags.names);
  const Segmenter segmenter = open_segmenter(options);
  StateDict tensors;
  const auto size = segmenter.resolution();
  std::map<std::string, std::string> metadata = {{"weights", options.weights},
                                                 {"resolution", str(size.height, "x", size.width)},
                                                 {"templates", options.templates}};
  if (!options.method.empty()) metadata["method"] = options.method;
  if (!names.empty()) {
    segmenter.words(names);  // refuses empty and repeated ones
    tensors["text"] = segmenter.text(names).to(torch::kCPU);
    metadata["names"] = nlohmann::json(names).dump();
  }
  const auto write = [&] {
    if (tensors.empty()) return;
    write_safetensors(flags.out, tensors, metadata,
                      flags.half ? std::optional(torch::kHalf) : std::nullopt);
    log::info(flags.out.string(), ": ", tensors.size(), " tensors");
    output.result({{"file", flags.out.string()}, {"tensors", tensors.size()}});
  };
  ImageWork work = image_work(inputs, segmenter.encoder().device());
  work.short_side = std::max<int64_t>(1, segmenter.short_side());
  work.batch = 1;
  DeviceThread device(segmenter.encoder().device());
  work.work = [&](const std::vector<InputImage>& images) -> std::vector<FinishImage> {
    const InputImage& image = images.front();
    torch::Tensor dense, pooled;
    device.run([&] {
      const auto features = segmenter.dense_and_pooled(image.image.rgb);
      dense = features.first.to(torch::kCPU);
      pooled = features.second.to(torch::kCPU);
    });
    return {[&tensors, name = image.name, dense, pooled] {
      tensors["dense." + name] = dense;
      tensors["pooled." + name] = pooled;
    }};
  };
  try {
    for_each_image(inputs, work);
  } catch (const Error&) {
    write();  // what did work
    throw;
  }
  write();
}

}  // namespace

void add_features(CLI::App& app) {
  auto* command = app.add_subcommand(
      "features",
      "Write the encoder's features of images to one safetensors file, for programs that build "
      "on it.\n\n"
      "For each image NAME.jpg: dense.NAME [h, w, C], the embedding at each position, and "
      "pooled.NAME [C], CLIP's\n"
      "ordinary embedding; neither is normalised. With --names also text [templates, names, C], "
      "normalised. The\n"
      "metadata hold names (JSON), templates, weights and the encoder's resolution.");
  auto flags = std::make_shared<FeatureFlags>();
  add_inputs(*command, flags->inputs);
  command->add_option("--out", flags->out, "the file to write")->required();
  add_names(*command, flags->names);
  command->add_flag("--half", flags->half, "write 16-bit numbers");
  auto options = add_segmenter_flags(*command, /*windows=*/false);
  command->footer("In Python: safetensors.numpy.load_file(\"F.safetensors\")[\"dense.NAME\"].");
  const auto output = add_output_flags(*command);
  command->callback([flags, options, output] { run_features(*flags, *options, *output); });
}

}  // namespace pixelclip::cli
