#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/log.hpp"
#include "cli/commands.hpp"
#include "cli/output.hpp"
#include "data/catalog.hpp"
#include "demo/prepare.hpp"

namespace fs = std::filesystem;

namespace pixelclip::cli {
namespace {

struct DemoFlags {
  std::string out;
  DemoWorldOptions options;
};

void run_demo(const DemoFlags& flags, const Output& output) {
  const fs::path folder =
      flags.out.empty() ? DatasetRoots::find().test / "demo" : fs::path(flags.out);
  prepare_demo(folder, flags.options);
  log::info("the demo's world and small CLIP are in ", folder.string(),
            "; `sh run.sh configs/demo.yaml 1 output/demo` trains and scores on them");
  output.result({{"folder", folder.string()}});
}

}  // namespace

void add_demo(CLI::App& app) {
  auto* demo = app.add_subcommand(
      "demo",
      "Make the demo's world (images, captions, unnamed masks, labelled validation set) and "
      "its small CLIP; what is already there is kept");
  auto flags = std::make_shared<DemoFlags>();
  demo->add_option("--out", flags->out,
                   "Folder for it (default: demo/ where the test sets lie, $DETECTRON2_DATASETS)");
  demo->add_option("--seed", flags->options.seed,
                   "Another seed is another world and another small CLIP")
      ->capture_default_str();
  const auto count = [&](const char* name, int& value, const char* what) {
    demo->add_option(name, value, what)->check(CLI::Range(1, 1'000'000))->capture_default_str();
  };
  count("--photos", flags->options.photos,
        "Photos with captions, from which the small CLIP learns");
  count("--scenes", flags->options.scenes, "Scenes with unnamed masks, for training");
  count("--validation", flags->options.validation, "Labelled scenes");
  const auto output = add_output_flags(*demo);
  demo->callback([flags, output] { run_demo(*flags, *output); });
}

}  // namespace pixelclip::cli
