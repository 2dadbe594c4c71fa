#include "commands.hpp"
#include "overrides.hpp"
#include "pixelclip/base/error.hpp"
#include "pixelclip/base/log.hpp"
#include "pixelclip/base/signal.hpp"
#include "pixelclip/engine/build.hpp"
#include "pixelclip/engine/protocol.hpp"
#include "pixelclip/engine/run.hpp"
#include "pixelclip/engine/scoring.hpp"
#include "pixelclip/engine/sheet.hpp"
#include "pixelclip/engine/trainer.hpp"
#include "pixelclip/evaluation/html_report.hpp"

namespace pixelclip::tools {
namespace {

std::shared_ptr<RunOptions> add_run_options(CLI::App& command) {
  auto options = std::make_shared<RunOptions>();
  command.add_option("--config-file,--config", options->config_file, "YAML file")->required();
  command.add_option("--num-gpus", options->num_gpus, "processes on this machine, one a GPU (default 1)");
  command.add_option("--num-machines", options->num_machines, "machines of the run (default 1)");
  command.add_option("--machine-rank", options->machine_rank, "this machine's number, from 0");
  command.add_option("--dist-url", options->dist_url, "tcp://host:port of machine 0; auto on one machine");
  add_overrides(command, options->overrides);
  return options;
}

/// Ends the command with `status` when it is not 0.
void finish(int status) {
  if (status != 0) throw CLI::RuntimeError(status);
}

int train(Config& config, Comm& comm, bool resume) {
  auto model = build_model(config, pick_device(config, comm.local_rank()));
  BeforeAfter pictures(config, comm);
  Trainer trainer(config, model, comm, resume);
  pictures.before(model);
  const auto results = trainer.run();
  if (!trainer.finished()) return 0;
  if (!results.empty() && comm.is_main()) write_results(config.output_dir, results);
  pictures.after(model);
  return 0;
}

/// Exit status of an evaluation: not 0 when its numbers are of a part only.
int stopped_early(const std::vector<SetResult>& results) {
  if (results.back().complete) return 0;
  log::warn("stopped by a signal: the numbers are of a part of the pictures; the same command goes on");
  return 128 + signals::stop_requested();
}

int eval_only(Config& config, Comm& comm) {
  if (config.datasets.test.empty()) fail("DATASETS.TEST is empty: name the sets to score");
  auto model = build_model(config, pick_device(config, comm.local_rank()));
  const auto results = score_sets(model, config, test_plan(config), comm, config.output_dir,
                                  config.datasets.test.size() > 1);
  if (!comm.is_main()) return 0;
  const auto path = std::filesystem::path(config.output_dir) / "results.json";
  if (results.size() == 1) {
    write_single_result(path, results.front());
  } else {
    write_results(config.output_dir, results);
  }
  return stopped_early(results);
}

int eval_protocol(Config& config, Comm& comm) {
  auto model = build_model(config, pick_device(config, comm.local_rank()));
  const auto folder = std::filesystem::path(config.output_dir) / "eval";
  const auto plan = protocol_plan(config);
  HtmlReport report{.subject = config.model.weights, .protocol = protocol_text(config, plan.templates)};
  report.curves = read_curves(std::filesystem::path(config.output_dir) / "metrics.json");
  if (!config.test.compare.empty()) report.compared = read_compared(config.test.compare);
  // After each set, so that trouble with a later one does not cost the numbers of those before.
  const auto write = [&](const std::vector<SetResult>& results) {
    report.results = results;
    write_results(folder, report.results, report.compared);
    write_html_report(folder / "report.html", report);
  };
  const auto results = score_sets(model, config, plan, comm, folder, /*folder_per_set=*/true, write);
  if (!comm.is_main()) return 0;
  log::info("report: ", (folder / "report.html").string());
  return stopped_early(results);
}

}  // namespace

void add_train(CLI::App& app) {
  auto* command = app.add_subcommand("train", "Train, and score DATASETS.TEST on the way");
  auto options = add_run_options(*command);
  auto resume = std::make_shared<bool>(false), only_score = std::make_shared<bool>(false);
  command->add_flag("--resume", *resume, "go on from the newest checkpoint in OUTPUT_DIR");
  command->add_flag("--eval-only", *only_score, "score MODEL.WEIGHTS on DATASETS.TEST and train nothing");
  command->callback([options, resume, only_score] {
    options->argv = arguments();
    finish(*only_score ? run_on_ranks(*options, Purpose::evaluate, "", eval_only)
                       : run_on_ranks(*options, Purpose::train, "", [&](Config& config, Comm& comm) {
                           return train(config, comm, *resume);
                         }));
  });
}

void add_eval(CLI::App& app) {
  auto* command = app.add_subcommand("eval", "Score MODEL.WEIGHTS on every set of TEST.PROTOCOL");
  auto options = add_run_options(*command);
  command->callback([options] {
    options->argv = arguments();
    finish(run_on_ranks(*options, Purpose::protocol, "eval", eval_protocol));
  });
}

}  // namespace pixelclip::tools
