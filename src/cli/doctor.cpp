#include "data/doctor.hpp"

#include <cstdio>
#include <memory>

#include "base/error.hpp"
#include "base/signal.hpp"
#include "cli/commands.hpp"
#include "data/prepare.hpp"

namespace pixelclip::cli {
namespace {

struct DoctorFlags {
  std::vector<std::string> names;
  std::string config_file, root, sam_root;
  CheckupOptions options;
};

void run(DoctorFlags& arguments) {
  Config config = load_config(arguments.config_file);
  log_passed_over(config);
  if (!arguments.root.empty()) config.datasets.root = arguments.root;
  if (!arguments.sam_root.empty()) config.datasets.sam_root = arguments.sam_root;
  const Catalog catalog(config.datasets);
  bool good = true;
  for (const std::string& name : arguments.names) {
    for (const std::string& set : sets_called(name)) {
      const signals::Doing examining("examining " + set);
      const DatasetInfo& info = catalog.find(set);
      const Checkup checkup = info.kind == DatasetKind::sem_seg
                                  ? examine_test_set(info, arguments.options)
                                  : examine_training_set(config, set, arguments.options);
      const auto print = [](const char* mark, const std::vector<std::string>& lines) {
        for (const std::string& line : lines) std::printf("  %s%s\n", mark, line.c_str());
      };
      print("", checkup.facts);
      print("problem: ", checkup.problems);
      print("look: ", checkup.hints);
      std::printf("%s\n", checkup.verdict().c_str());
      std::fflush(stdout);
      good = good && checkup.good();
    }
  }
  if (!good) throw CLI::RuntimeError(1);
}

}  // namespace

void add_doctor(CLI::App& app) {
  auto arguments = std::make_shared<DoctorFlags>();
  auto* command = app.add_subcommand(
      "doctor",
      "Examine data sets: missing and unreadable files, sizes, ids, coverage of the classes");
  command
      ->add_option(
          "set", arguments->names,
          "a name of TEST.PROTOCOL, DATASETS.TRAIN or DATASETS.CUSTOM, or coco-stuff, ade20k, "
          "context, cityscapes, voc, sa1b")
      ->required();
  command->add_option("--config-file,--config", arguments->config_file,
                      "YAML file, for DATASETS.CUSTOM");
  command->add_option("--root", arguments->root, "folder of the test sets (DATASETS.ROOT)");
  command->add_option("--sam-root", arguments->sam_root, "folder of SA-1B (DATASETS.SAM_ROOT)");
  command
      ->add_option("--limit", arguments->options.limit, "read only so many pairs of each; 0: all")
      ->check(CLI::Range(0, 1000000000));
  command->add_option("--threads", arguments->options.threads, "0: all cores")
      ->check(CLI::Range(0, 1024));
  command->callback([arguments] { run(*arguments); });
}

}  // namespace pixelclip::cli
