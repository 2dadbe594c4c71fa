#include "cli/common_flags.hpp"

namespace pixelclip::cli {

void add_inputs(CLI::App& command, std::vector<std::string>& inputs, bool videos) {
  command
      .add_option("INPUT", inputs,
                  videos ? "images, folders, patterns in quotes, videos"
                         : "images, folders, patterns in quotes")
      ->required();
}

CLI::Option* add_names(CLI::App& command, std::string& names) {
  return command.add_option(
      "--names", names,
      "what to look for: \"dog, grass, sky\"; with synonyms \"dog, puppy; grass; sky\"; a .txt or "
      ".json file; or coco, ade150, pc59, cityscapes, voc20");
}

void add_device(CLI::App& command, std::string& device) {
  command
      .add_option("--device", device, "auto, cpu, cuda or cuda:N; auto: a GPU when there is one")
      ->capture_default_str();
}

}  // namespace pixelclip::cli
