#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/log.hpp"
#include "base/signal.hpp"
#include "cli/commands.hpp"
#include "cli/inputs.hpp"
#include "cli/output.hpp"
#include "cli/region_json.hpp"
#include "cli/segmenter_flags.hpp"
#include "cli/video.hpp"
#include "image/codec.hpp"
#include "inference/segmentation.hpp"
#include "inference/segmenter.hpp"
#include "io/safetensors.hpp"
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

class Writer {
 public:
  Writer(const SegmentFlags& flags, const SegmenterOptions& model, const Words& words,
         const Output& output)
      : flags_(flags), model_(model), output_(output), palette_(colors_of(words)) {}

  /// Labels, overlay and figures of one picture; `name` is its place under --out.
  void write(const std::string& file, const std::string& name, const Image& rgb,
             const Segmentation& result) const {
    const fs::path base = flags_.out / name;
    make_writable_folder(base.parent_path());
    const auto found = regions(result);
    write_label_png(base.string() + "_labels.png", result.labels);
    write_png(base.string() + "_overlay.png",
              overlay_page(rgb, result.labels, result.names, palette_));
    const auto json = to_json(file, result, found);
    write_json(base.string() + ".json", json);
    if (flags_.logits) {
      write_safetensors(base.string() + "_logits.safetensors", {{"logits", result.scores}},
                        {{"names", nlohmann::json(result.names).dump()}});
    }
    log::info(file, ": ", in_words(result, found));
    output_.result(json);
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

void segment_video(const SegmentFlags& flags, const Input& input, const Segmenter& segmenter,
                   const Words& words, const Writer& writer) {
  Video video(input.file);
  Image frame;
  int64_t number = 0;
  for (; !signals::stop_requested() && video.next(frame); ++number) {
    if (number % flags.every != 0) continue;
    char name[32];
    std::snprintf(name, sizeof name, "/frame_%06lld", static_cast<long long>(number));
    writer.write(str(input.file.string(), " frame ", number), input.name + name, frame,
                 segment(segmenter.encode(frame), words));
  }
  if (signals::stop_requested()) fail(input.file.string(), ": stopped after ", number, " frames");
  if (number == 0) fail(input.file.string(), ": the video has no frames that can be read");
}

void run_segment(const SegmentFlags& flags, const SegmenterOptions& options, const Output& output) {
  const Inputs inputs = find_inputs(flags.inputs, /*videos=*/true);
  const auto names = read_names(flags.names);
  const Background background = read_background(flags.background);
  make_writable_folder(flags.out);
  const Segmenter segmenter = open_segmenter(options);
  log::info(options.weights, ": ", segmenter.description());
  const Words words = segmenter.words(names, background);
  const Writer writer(flags, options, words, output);
  for_each_input(inputs, [&](const Input& input) {
    if (input.video) return segment_video(flags, input, segmenter, words, writer);
    const Picture picture = read_picture(input.file, segmenter.short_side());
    const auto encoded = segmenter.encode(picture.rgb, picture.height, picture.width);
    writer.write(input.file.string(), input.name, picture.rgb, segment(encoded, words));
  });
  log::info("the results are in ", flags.out.string());
}

}  // namespace

void add_segment(CLI::App& app) {
  auto* command = app.add_subcommand(
      "segment",
      "Find words in your own pictures.\n\n"
      "For each picture NAME.jpg the folder --out gets NAME_labels.png (the position in --names of "
      "each pixel's\n"
      "word), NAME_overlay.png (for people, with the names below) and NAME.json (area, mean cosine "
      "and COCO RLE\n"
      "of each word that occurs). A picture that fails is named, and the others go on.");
  auto flags = std::make_shared<SegmentFlags>();
  command->add_option("INPUT", flags->inputs, "pictures, folders, patterns in quotes, videos")
      ->required();
  command
      ->add_option("--names", flags->names,
                   "what to look for: \"dog, grass, sky\"; with synonyms \"dog, puppy; grass; "
                   "sky\"; a .txt or .json "
                   "file; or coco, ade150, pc59, cityscapes, voc20")
      ->required();
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
