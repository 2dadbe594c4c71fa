#include <nlohmann/json.hpp>

#include "base/file.hpp"
#include "base/log.hpp"
#include "base/signal.hpp"
#include "cli/commands.hpp"
#include "cli/output.hpp"
#include "cli/run_flags.hpp"
#include "engine/comparison.hpp"

namespace pixelclip::cli {
namespace {

struct CompareFlags {
  ComparisonPlan plan;
  std::vector<std::string> sets;
};

int run_comparison(const CompareFlags& flags, Config& config, Comm& comm, const Output& output) {
  if (!flags.sets.empty()) config.test.protocol = flags.sets;
  const std::filesystem::path folder = config.output_dir;
  const auto report = compare(config, flags.plan, comm, [&](const ComparisonReport& so_far) {
    write_comparison(folder, so_far);
  });
  if (!comm.is_main()) return 0;
  log::info("mIoU\n", plain_table(comparison_table(report)));
  log::info("report: ", (folder / "report.html").string());
  output.result(read_json(folder / "results.json"));
  for (const ComparedSet& set : report.sets) {
    if (set.comparison.results.front().complete) continue;
    log::warn("stopped by a signal; the same command continues");
    return signals::exit_status(1);
  }
  return 0;
}

}  // namespace

void add_compare(CLI::App& app) {
  auto* command = app.add_subcommand(
      "compare", "Score several methods, weights and protocols on the same sets, in one table");
  const auto options = add_run_options(*command);
  const auto flags = std::make_shared<CompareFlags>();
  command
      ->add_option("--methods", flags->plan.methods,
                   "dense methods (docs/methods.md), with commas; default: that of each protocol")
      ->delimiter(',')
      ->allow_extra_args(false);
  command
      ->add_option("--weights", flags->plan.weights,
                   "weights files, with commas; default: MODEL.WEIGHTS or CLIP_PRETRAINED")
      ->delimiter(',')
      ->allow_extra_args(false);
  command
      ->add_option("--protocols", flags->plan.protocols,
                   "YAML files of protocols, such as configs/eval/naclip.yaml, with commas; "
                   "default: the configuration's own TEST keys")
      ->delimiter(',')
      ->allow_extra_args(false);
  command->add_option("--sets", flags->sets, "test sets, with commas; default: TEST.PROTOCOL")
      ->delimiter(',')
      ->allow_extra_args(false);
  command
      ->add_option("--contested", flags->plan.contested,
                   "images of each set on the page on which the ways disagree most (default 6)")
      ->check(CLI::Range(0, 100));
  const auto output = add_output_flags(*command);
  command->callback([options, flags, output] {
    options->argv = arguments();
    flags->plan.overrides = options->overrides;
    if (!flags->sets.empty()) {
      std::string sets;
      for (const auto& set : flags->sets) sets += "'" + set + "',";
      options->overrides.insert(options->overrides.end(), {"TEST.PROTOCOL", "(" + sets + ")"});
    }
    if (!flags->plan.weights.empty()) {
      options->overrides.insert(options->overrides.end(),
                                {"MODEL.WEIGHTS", flags->plan.weights.front()});
    }
    end_with(run_on_ranks(*options, Purpose::protocol, "", [&](Config& config, Comm& comm) {
      return run_comparison(*flags, config, comm, *output);
    }));
  });
}

}  // namespace pixelclip::cli
