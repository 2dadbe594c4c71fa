#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/log.hpp"
#include "cli/commands.hpp"
#include "cli/common_flags.hpp"
#include "cli/image_work.hpp"
#include "cli/output.hpp"
#include "cli/region_json.hpp"
#include "cli/segmenter_flags.hpp"
#include "image/codec.hpp"
#include "inference/segmentation.hpp"
#include "inference/segmenter.hpp"
#include "io/safetensors.hpp"
#include "nn/device_thread.hpp"
#include "visualization/overlay.hpp"

namespace pixelclip::cli {
namespace {
namespace fs = std::filesystem;

struct SegmentFlags {
  std::vector<std::string> inputs;
  std::string names, background;
  fs::path out = "segmented";
  bool logits = false;
  int64_t every = 1;
};

class ResultWriter {
 public:
  ResultWriter(const SegmentFlags& flags, const SegmenterOptions& model, const Words& words,
               const Output& output)
      : flags_(flags), model_(model), output_(output), palette_(colors_of(words)) {}

  /// Writes labels, overlay and figures of an image; what is left to do is reporting it.
  FinishImage write(const InputImage& image, const Segmentation& result) const {
    const fs::path base = flags_.out / image.name;
    make_writable_folder(base.parent_path());
    const auto found = regions(result);
    write_label_png(base.string() + "_labels.png", result.labels);
    write_png(base.string() + "_overlay.png",
              overlay_page(image.image.rgb, result.labels, result.names, palette_));
    const auto json = to_json(image.source, result, found);
    write_json(base.string() + ".json", json);
    if (flags_.logits) {
      write_safetensors(base.string() + "_logits.safetensors", {{"logits", result.scores}},
                        {{"names", nlohmann::json(result.names).dump()}});
    }
    return [this, json, text = str(image.source, ": ", in_words(result, found))] {
      log::info(text);
      output_.result(json);
    };
  }

 private:
  static double share(const Segmentation& result, const Region& region) {
    return static_cast<double>(region.area) / static_cast<double>(result.labels.ids.size());
  }

  nlohmann::json to_json(const std::string& file, const Segmentation& result,
                         const std::vector<Region>& found) const {
    nlohmann::json classes = nlohmann::json::array();
    for (const Region& region : found) {
      classes.push_back(region_to_json(result, region, palette_[region.id], true));
    }
    return {{"file", file},
            {"height", result.labels.height},
            {"width", result.labels.width},
            {"names", result.names},
            {"classes", classes},
            {"weights", model_.weights},
            {"templates", model_.templates}};
  }

  std::string in_words(const Segmentation& result, std::vector<Region> found) const {
    std::stable_sort(found.begin(), found.end(),
                     [](const auto& a, const auto& b) { return a.area > b.area; });
    std::string text;
    for (size_t i = 0; i < std::min<size_t>(found.size(), 5); ++i) {
      const auto percent = std::lround(100 * share(result, found[i]));
      text += str(i > 0 ? ", " : "", result.names[found[i].id],
                  percent > 0 ? str(" ", percent) : " <1", " %");
    }
    return found.size() > 5 ? str(text, " and ", found.size() - 5, " more") : text;
  }

  const SegmentFlags& flags_;
  const SegmenterOptions& model_;
  const Output& output_;
  const std::vector<Color> palette_;
};

/// Encodes and labels images; on a GPU all at once and by one thread at a time.
std::vector<Segmentation> segment_images(const Segmenter& segmenter, const Words& words,
                                         const std::vector<InputImage>& images,
                                         DeviceThread& device) {
  std::vector<Segmenter::Source> sources;
  for (const auto& [source, name, image] : images)
    sources.push_back({image.rgb, image.height, image.width});
  const int threads = at::get_num_threads();  // of the caller
  std::vector<Segmentation> results;
  device.run([&] {
    for (const EncodedImage& encoded : segmenter.encode(sources))
      results.push_back(segment(encoded, words, threads));
  });
  return results;
}

void run_segment(const SegmentFlags& flags, const SegmenterOptions& options, const Output& output) {
  const Inputs inputs = find_inputs(flags.inputs, /*videos=*/true);
  const auto names = read_names(flags.names);
  const Background background = read_background(flags.background);
  make_writable_folder(flags.out);
  const Segmenter segmenter = open_segmenter(options);
  log::info(options.weights, ": ", segmenter.description());
  const Words words = segmenter.words(names, background);
  const ResultWriter writer(flags, options, words, output);
  ImageWork work = image_work(inputs, segmenter.encoder().device());
  work.short_side = std::max<int64_t>(1, segmenter.short_side());
  work.every = flags.every;
  DeviceThread device(segmenter.encoder().device());
  work.work = [&](const std::vector<InputImage>& images) {
    const auto results = segment_images(segmenter, words, images, device);
    std::vector<FinishImage> finish;
    for (size_t i = 0; i < images.size(); ++i)
      finish.push_back(writer.write(images[i], results[i]));
    return finish;
  };
  for_each_image(inputs, work);
  log::info("the results are in ", flags.out.string());
}

}  // namespace

void add_segment(CLI::App& app) {
  auto* command = app.add_subcommand(
      "segment",
      "Find words in your own images.\n\n"
      "For each image NAME.jpg the folder --out gets NAME_labels.png (the position in --names of "
      "each pixel's\n"
      "word), NAME_overlay.png (for people, with the names below) and NAME.json (area, mean cosine "
      "and COCO RLE\n"
      "of each word that occurs). An image that fails is named, and the others go on.");
  auto flags = std::make_shared<SegmentFlags>();
  add_inputs(*command, flags->inputs, /*videos=*/true);
  add_names(*command, flags->names)->required();
  auto options = add_segmenter_flags(*command);
  command->add_option("--out", flags->out, "folder for the results")->capture_default_str();
  command->add_option("--background", flags->background,
                      "the rest: the cosine that a word must reach (0.2), or names as in --names "
                      "that stand for it");
  command->add_flag("--logits", flags->logits,
                    "also write NAME_logits.safetensors: cosines [names, rows, columns]");
  command->add_option("--every", flags->every, "take only every so many frames of a video")
      ->check(CLI::Range(int64_t{1}, int64_t{1'000'000}))
      ->capture_default_str();
  command->footer(
      "Example: pixelclip segment photos --names \"dog, grass, sky\" --weights "
      "output/vit/model_final.pth");
  const auto output = add_output_flags(*command);
  command->callback([flags, options, output] { run_segment(*flags, *options, *output); });
}

}  // namespace pixelclip::cli
