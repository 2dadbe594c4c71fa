#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands.hpp"
#include "cli/output.hpp"
#include "cli/overrides.hpp"
#include "config/check.hpp"
#include "config/config.hpp"
#include "config/reference.hpp"
#include "config/writer.hpp"
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

void print_config(const ConfigOptions& options, const Output& output) {
  if (options.reference) {
    return output.result({{"markdown", config_reference()}}, config_reference());
  }
  Config config = load_config(options.file, options.overrides);
  log_passed_over(config);
  if (!options.check_only) return output.result({{"yaml", to_yaml(config)}}, to_yaml(config));
  const auto purpose = options.evaluate ? Purpose::evaluate : Purpose::train;
  find_files(config, purpose);
  check(config, options.ranks, purpose);
  output.result({{"file", options.file}, {"valid", true}},
                (options.file.empty() ? "the configuration" : options.file) + ": valid\n");
}

}  // namespace

void add_config(CLI::App& app) {
  auto options = std::make_shared<ConfigOptions>();
  CLI::App* command = app.add_subcommand(
      "config", "Print the values that result from a configuration file and overrides");
  command->add_option("--config-file,--config", options->file,
                      "YAML file; default: no file, only the defaults");
  command->add_flag("--check", options->check_only,
                    "only check whether a run could start: files, sizes, batch size");
  command->add_option("--num-gpus", options->ranks, "number of ranks for --check")
      ->check(CLI::PositiveNumber);
  command->add_flag("--eval-only", options->evaluate,
                    "let --check require only what scoring needs");
  command->add_flag("--reference", options->reference, "print every key in Markdown");
  add_overrides(*command, options->overrides);
  const auto output = add_output_flags(*command);
  command->callback([options, output] { print_config(*options, *output); });
}

}  // namespace pixelclip::cli
