#include "data/prepare_sa1b.hpp"

#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/signal.hpp"
#include "cli/commands.hpp"
#include "cli/output.hpp"

namespace pixelclip::cli {

namespace {

struct PrepareFlags {
  std::vector<std::string> sets;
  PrepareOptions options;
  PrepareSa1bOptions sa1b;
};

void run(PrepareFlags& arguments, const Output& output) {
  arguments.sa1b.root = arguments.options.root;
  arguments.sa1b.out = arguments.options.out;
  arguments.sa1b.threads = arguments.options.threads;
  int64_t failed = 0;
  for (const std::string& set : arguments.sets) {
    const signals::Doing preparing("preparing " + set);
    const bool sa1b = set == "sa1b";
    const PrepareReport report =
        sa1b ? prepare_sa1b(arguments.sa1b) : prepare_sem_seg(set, arguments.options);
    log::info("prepare ", set, ": ", report.written,
              sa1b ? " samples verified" : " label files written", ", ", report.kept,
              sa1b ? " known from before, " : " kept, ", report.skipped,
              sa1b ? " without masks, " : " images with nothing to score, ", report.failed.size(),
              sa1b ? " not usable" : " failed");
    output.result({{"set", set},
                   {"complete", report.complete},
                   {"written", report.written},
                   {"kept", report.kept},
                   {"skipped", report.skipped},
                   {"failed", report.failed}});
    if (!report.complete) fail("prepare ", set, ": stopped; run it again to continue");
    for (size_t i = 0; sa1b && i < report.failed.size() && i < 20; ++i) {
      log::warn("not usable: ", report.failed[i]);
    }
    failed += static_cast<int64_t>(report.failed.size());
  }
  if (failed > 0) fail(failed, " files or samples are not usable; the log names them");
}

}  // namespace

void add_prepare(CLI::App& app) {
  auto arguments = std::make_shared<PrepareFlags>();
  CLI::App* command = app.add_subcommand(
      "prepare",
      "Convert the labels of a test set to class ids (optional: scoring also reads the published "
      "labels), or index and verify SA-1B");
  command
      ->add_option("set", arguments->sets,
                   "coco-stuff (val2017 and train2017), coco-object, ade20k, ade847, context, "
                   "context60, context459, cityscapes, voc, sa1b, or the name of a test set")
      ->required();
  command->add_option("--root", arguments->options.root,
                      "folder of the published sets (default: $DETECTRON2_DATASETS, for sa1b "
                      "$SAM_DATASETS, else datasets)");
  command->add_option(
      "--out", arguments->options.out,
      "folder for the labels and links to the images, a valid value of "
      "DETECTRON2_DATASETS; for sa1b: folder for compact shards (default: the root)");
  command->add_option("--threads", arguments->options.threads, "number of threads; 0: all cores")
      ->check(CLI::Range(0, 1024));
  command->add_option("--shards", arguments->sa1b.list, "sa1b: list of shards, as DATASETS.SHARDS")
      ->check(CLI::ExistingFile);
  command->add_flag("--compact", arguments->sa1b.compact,
                    "sa1b: write compact shards (JPEG files and binary masks), which load faster");
  command->add_flag("--again", arguments->sa1b.again,
                    "sa1b: also verify samples that were verified before");
  const auto output = add_output_flags(*command);
  command->callback([arguments, output] { run(*arguments, *output); });
}

}  // namespace pixelclip::cli
