#include <iostream>
#include <memory>

#include "cli/commands.hpp"
#include "cli/overrides.hpp"
#include "config/config.hpp"
#include "engine/run.hpp"

namespace pixelclip::cli {
namespace {

struct ConfigOptions {
  std::string file;
  std::vector<std::string> overrides;
  int ranks = 1;
  bool check_only = false;
  bool evaluate = false;
  bool reference = false;
};

void print_config(const ConfigOptions& options) {
  if (options.reference) {
    std::cout << config_reference();
    return;
  }
  Config config = load_config(options.file, options.overrides);
  log_passed_over(config);
  if (!options.check_only) {
    std::cout << to_yaml(config);
    return;
  }
  const auto purpose = options.evaluate ? Purpose::evaluate : Purpose::train;
  find_files(config, purpose);
  check(config, options.ranks, purpose);
  std::cout << (options.file.empty() ? "the configuration" : options.file) << ": good\n";
}

}  // namespace

void add_config(CLI::App& app) {
  auto options = std::make_shared<ConfigOptions>();
  CLI::App* command = app.add_subcommand(
      "config", "Print the values that a configuration file and overrides lead to");
  command->add_option("--config-file,--config", options->file,
                      "YAML file; without it the defaults");
  command->add_flag("--check", options->check_only,
                    "only say whether a run could start with it: files, sizes, batch");
  command->add_option("--num-gpus", options->ranks, "ranks that --check divides the batch by")
      ->check(CLI::PositiveNumber);
  command->add_flag("--eval-only", options->evaluate, "let --check demand only what scoring needs");
  command->add_flag("--reference", options->reference, "print every key in Markdown");
  add_overrides(*command, options->overrides);
  command->callback([options] { print_config(*options); });
}

}  // namespace pixelclip::cli
