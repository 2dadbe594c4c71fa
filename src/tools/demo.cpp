#include <filesystem>
#include <memory>

#include "pixelclip/base/log.hpp"
#include "pixelclip/base/signal.hpp"
#include "pixelclip/data/catalog.hpp"
#include "pixelclip/data/demo_world.hpp"
#include "commands.hpp"

namespace fs = std::filesystem;

namespace pixelclip::tools {
namespace {

struct DemoFlags {
  std::string out;
  uint64_t seed = 0;
};

void run_demo(const DemoFlags& flags) {
  signals::install();
  const fs::path folder = flags.out.empty() ? DatasetRoots::find().test / "demo" : fs::path(flags.out);
  DemoWorldOptions options;
  options.seed = flags.seed;
  prepare_demo(folder, options);
  log::info("the demo's world and small CLIP are in ", folder.string(),
            "; `sh run.sh configs/demo.yaml 1 output/demo` trains and scores on them");
}

}  // namespace

void add_demo(CLI::App& app) {
  auto* demo = app.add_subcommand(
      "demo", "Make the demo's world (pictures, captions, unnamed masks, labelled validation set) and "
              "its small CLIP; what is already there is kept");
  auto flags = std::make_shared<DemoFlags>();
  demo->add_option("--out", flags->out,
                   "Folder for it (default: demo/ where the test sets lie, $DETECTRON2_DATASETS)");
  demo->add_option("--seed", flags->seed, "Another seed is another world and another small CLIP")
      ->capture_default_str();
  demo->callback([flags] { run_demo(*flags); });
}

}  // namespace pixelclip::tools
