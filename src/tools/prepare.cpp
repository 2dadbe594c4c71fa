#include "pixelclip/data/prepare.hpp"

#include <memory>

#include "commands.hpp"
#include "pixelclip/base/error.hpp"
#include "pixelclip/base/log.hpp"
#include "pixelclip/base/signal.hpp"

namespace pixelclip::tools {

void add_prepare(CLI::App& app) {
  struct Arguments {
    std::vector<std::string> sets;
    PrepareOptions options;
  };
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand(
      "prepare",
      "Write a test set's labels as class ids, once; scoring reads published ones as well");
  command->add_option("set", arguments->sets, "coco-stuff, ade20k, context, cityscapes, voc")
      ->required();
  command->add_option(
      "--root", arguments->options.root,
      "folder of the published sets (default: $DETECTRON2_DATASETS, else datasets)");
  command->add_option("--out", arguments->options.out,
                      "folder for the labels, with links to the pictures, so that "
                      "DETECTRON2_DATASETS can point there (default: the root)");
  command->add_option("--threads", arguments->options.threads, "0: all cores")
      ->check(CLI::Range(0, 1024));
  command->callback([arguments] {
    signals::install();
    int64_t failed = 0;
    for (const std::string& set : arguments->sets) {
      const PrepareReport report = prepare_sem_seg(set, arguments->options);
      log::info("prepare ", set, ": ", report.written, " label files written, ", report.kept,
                " kept, ", report.skipped, " pictures with nothing to score, ",
                report.failed.size(), " failed");
      if (!report.complete) fail("prepare ", set, ": stopped; run it again to go on");
      failed += static_cast<int64_t>(report.failed.size());
    }
    if (failed > 0) fail(failed, " label files could not be prepared; the log names each");
  });
}

}  // namespace pixelclip::tools
