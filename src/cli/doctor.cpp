#include "data/doctor.hpp"

#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/signal.hpp"
#include "cli/commands.hpp"
#include "cli/installation.hpp"
#include "cli/output.hpp"
#include "data/prepare.hpp"

namespace pixelclip::cli {
namespace {

struct DoctorFlags {
  std::vector<std::string> names;
  std::string config_file, root, sam_root;
  CheckupOptions options;
};

void print(const Checkup& checkup, const Output& output) {
  std::string text;
  const auto add = [&](const char* mark, const std::vector<std::string>& lines) {
    for (const std::string& line : lines) text += str("  ", mark, line, "\n");
  };
  add("", checkup.facts);
  add("problem: ", checkup.problems);
  add("look: ", checkup.hints);
  output.result({{"set", checkup.set},
                 {"good", checkup.good()},
                 {"facts", checkup.facts},
                 {"problems", checkup.problems},
                 {"hints", checkup.hints}},
                text + checkup.verdict() + "\n");
}

void run(DoctorFlags& arguments, const std::string& program, const Output& output) {
  bool good = true;
  const auto add = [&](const Checkup& checkup) {
    print(checkup, output);
    good = good && checkup.good();
  };
  if (arguments.names.empty()) add(examine_installation(program));
  Config config = load_config(arguments.config_file);
  log_passed_over(config);
  if (!arguments.root.empty()) config.datasets.root = arguments.root;
  if (!arguments.sam_root.empty()) config.datasets.sam_root = arguments.sam_root;
  const Catalog catalog(config.datasets);
  for (const std::string& name : arguments.names) {
    for (const std::string& set : sets_called(name)) {
      const signals::Doing examining("examining " + set);
      const DatasetInfo& info = catalog.find(set);
      add(info.kind == DatasetKind::sem_seg
              ? examine_test_set(info, arguments.options)
              : examine_training_set(config.datasets, set, !config.model.dino, arguments.options));
    }
  }
  if (!good) throw CLI::RuntimeError(1);
}

}  // namespace

void add_doctor(CLI::App& app) {
  auto arguments = std::make_shared<DoctorFlags>();
  auto* command = app.add_subcommand(
      "doctor",
      "Examine data sets: missing and unreadable files, sizes, ids, coverage of the classes.\n"
      "Without a set, examine the installation: versions, GPU, libraries, folders; a report of "
      "an error should hold this.");
  command->add_option(
      "set", arguments->names,
      "a name of TEST.PROTOCOL, DATASETS.TRAIN or DATASETS.CUSTOM, or coco-stuff, ade20k, "
      "context, cityscapes, voc, sa1b");
  command->add_option("--config-file,--config", arguments->config_file,
                      "YAML file, for DATASETS.CUSTOM");
  command->add_option("--root", arguments->root, "folder of the test sets (DATASETS.ROOT)");
  command->add_option("--sam-root", arguments->sam_root, "folder of SA-1B (DATASETS.SAM_ROOT)");
  command
      ->add_option("--limit", arguments->options.limit,
                   "number of pairs to read from each set; 0: all")
      ->check(CLI::Range(0, 1000000000));
  command->add_option("--threads", arguments->options.threads, "number of threads; 0: all cores")
      ->check(CLI::Range(0, 1024));
  const auto output = add_output_flags(*command);
  command->callback([arguments, &app, output] { run(*arguments, app.version(), *output); });
}

}  // namespace pixelclip::cli
