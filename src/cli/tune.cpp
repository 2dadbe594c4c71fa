#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/log.hpp"
#include "base/signal.hpp"
#include "cli/commands.hpp"
#include "cli/output.hpp"
#include "cli/run_flags.hpp"
#include "engine/tuning.hpp"
#include "engine/tuning_axes.hpp"
#include "engine/tuning_report.hpp"

namespace pixelclip::cli {
namespace {

/// Scores of a set that chose the configuration are no result.
void warn_of_reported_set(const RunOptions& options, const std::string& set) {
  const auto reported = load_config(options.config_file).test.protocol;
  if (std::find(reported.begin(), reported.end(), set) != reported.end())
    log::warn(set,
              " belongs to TEST.PROTOCOL: half of its images will have chosen the "
              "configuration that is scored on it; a training split leaves it untouched");
}

int run_tuning(const TuningPlan& plan, const RunOptions& options, Config& config, Comm& comm,
               const Output& output) {
  if (comm.is_main()) warn_of_reported_set(options, plan.set);
  const auto result = tune(config, plan, comm);
  if (!result.complete) {
    log::warn("stopped by a signal; the same command continues");
    return signals::exit_status(1);
  }
  if (!comm.is_main()) return 0;
  const std::filesystem::path folder = config.output_dir;
  write_tuning(folder, options.config_file, result);
  log::info(outcome(result));
  log::info("keys: ", (folder / "tuned.yaml").string(),
            "; report: ", (folder / "report.html").string());
  output.result(read_json(folder / "tuning.json"));
  return 0;
}

std::string help_of_keys() {
  std::string text = "what to search, with commas; default: all of";
  for (const auto& [name, meaning] : tuning_axis_names()) text += str("\n", name, ": ", meaning);
  return text;
}

}  // namespace

void add_tune(CLI::App& app) {
  auto* command = app.add_subcommand(
      "tune",
      "Search better keys for MODEL.WEIGHTS on one half of a labelled set, and report the gain on "
      "the other half");
  const auto options = add_run_options(*command);
  const auto plan = std::make_shared<TuningPlan>();
  command->add_option("--set", plan->set, "labelled set, such as a training split")->required();
  command
      ->add_option("--images", plan->images, "use only the first images of the set (default: all)")
      ->check(CLI::Range(2, 100'000'000));
  command->add_option("--keys", plan->keys, help_of_keys())
      ->delimiter(',')
      ->allow_extra_args(false);
  command->add_option("--rounds", plan->rounds, "most passes over the keys (default 2)")
      ->check(CLI::Range(1, 100));
  const auto output = add_output_flags(*command);
  command->callback([options, plan, output] {
    options->argv = arguments();
    options->overrides.insert(options->overrides.end(),
                              {"TEST.PROTOCOL", "('" + plan->set + "',)"});
    end_with(run_on_ranks(*options, Purpose::protocol, "", [&](Config& config, Comm& comm) {
      return run_tuning(*plan, *options, config, comm, *output);
    }));
  });
}

}  // namespace pixelclip::cli
