#include "base/error.hpp"
#include "base/file.hpp"
#include "base/log.hpp"
#include "base/signal.hpp"
#include "cli/commands.hpp"
#include "cli/output.hpp"
#include "cli/run_flags.hpp"
#include "config/check.hpp"
#include "engine/before_after.hpp"
#include "engine/model_factory.hpp"
#include "engine/protocol.hpp"
#include "engine/run.hpp"
#include "engine/scoring.hpp"
#include "engine/starting_point.hpp"
#include "engine/trainer.hpp"
#include "evaluation/html_report.hpp"
#include "evaluation/published.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace pixelclip::cli {
namespace {

int train(Config& config, Comm& comm, bool resume, const Output& output) {
  auto start = starting_point(config, comm, resume);
  BeforeAfter images(config, comm);
  auto model = start.model;
  Trainer trainer(config, std::move(start), comm);
  images.before(model);
  const auto results = trainer.run();
  if (!trainer.finished()) return signals::exit_status(0);
  if (!results.empty() && comm.is_main()) write_results(config.output_dir, results);
  images.after(model);
  if (comm.is_main()) {
    const auto file = std::filesystem::path(config.output_dir) / "results.json";
    output.result({{"output_dir", config.output_dir},
                   {"results", results.empty() ? nlohmann::json() : read_json(file)}});
  }
  return 0;
}

/// Exit status of an evaluation: not 0 when only a part was scored.
int stopped_early(const std::vector<SetResult>& results) {
  if (results.back().complete) return 0;
  log::warn("stopped by a signal: only a part of the images is scored; the same command continues");
  return signals::exit_status(1);
}

/// The weights to score: with `resume` the newest checkpoint of OUTPUT_DIR, as detectron2's
/// --eval-only does.
StartingPoint weights_to_score(const Config& config, Comm& comm, bool resume) {
  auto start = starting_point(config, comm, resume);
  if (resume && !start.resumed && comm.is_main()) {
    log::warn("--resume: ", config.output_dir, " has no checkpoint; scoring ",
              start.source.string());
  }
  return start;
}

int eval_only(Config& config, Comm& comm, bool resume, const Output& output) {
  if (config.datasets.test.empty()) fail("DATASETS.TEST is empty: name the sets to score");
  auto plan = test_plan(config);
  check_plan(config, plan);
  auto start = weights_to_score(config, comm, resume);
  plan.plain_clip = start.plain_clip;
  const auto results = score_sets(start.model, config, plan, comm, config.output_dir,
                                  config.datasets.test.size() > 1);
  if (!comm.is_main()) return 0;
  const auto path = std::filesystem::path(config.output_dir) / "results.json";
  if (results.size() == 1) {
    write_single_result(path, results.front());
  } else {
    write_results(config.output_dir, results);
  }
  output.result(read_json(path));
  return stopped_early(results);
}

/// The paper's results for weights like these: none for CLIP itself and for other architectures.
std::vector<ComparedRow> rows_beside(const Config& config, const StartingPoint& start) {
  if (start.plain_clip) return {};
  const bool dino = config.model.dino || start.dino_masks ||
                    start.source.filename().string().find("dino") != std::string::npos;
  return published_rows(start.architecture, dino);
}

int eval_protocol(Config& config, Comm& comm, bool resume, const Output& output) {
  const auto folder = std::filesystem::path(config.output_dir) / "eval";
  auto plan = protocol_plan(config);
  check_plan(config, plan);
  auto start = weights_to_score(config, comm, resume);
  plan.plain_clip = start.plain_clip;
  for (auto& row : rows_beside(config, start)) plan.compared.push_back(std::move(row));
  HtmlReport report{
      .subject = str(start.plain_clip ? "CLIP before training: " : "", start.source.string()),
      .protocol = protocol_text(config, plan.templates),
      .compared = plan.compared};
  report.curves = read_curves(std::filesystem::path(config.output_dir) / "metrics.json");
  // After each set, so that a failure in a later one does not lose earlier results.
  const auto write = [&](const std::vector<SetResult>& results) {
    report.results = results;
    write_results(folder, report.results, report.compared);
    write_html_report(folder / "report.html", report);
  };
  const auto results =
      score_sets(start.model, config, plan, comm, folder, /*folder_per_set=*/true, write);
  if (!comm.is_main()) return 0;
  log::info("report: ", (folder / "report.html").string());
  output.result(read_json(folder / "results.json"));
  return stopped_early(results);
}

}  // namespace

void add_train(CLI::App& app) {
  auto* command = app.add_subcommand("train", "Train, and score DATASETS.TEST during training");
  auto options = add_run_options(*command);
  auto only_score = std::make_shared<bool>(false);
  command->add_flag(
      "--resume", options->resume,
      "continue from the newest checkpoint in OUTPUT_DIR; with --eval-only, score it");
  command->add_flag("--eval-only", *only_score, "only score MODEL.WEIGHTS on DATASETS.TEST");
  const auto output = add_output_flags(*command);
  command->callback([options, only_score, output] {
    options->argv = arguments();
    const auto body = [&](Config& config, Comm& comm) {
      return *only_score ? eval_only(config, comm, options->resume, *output)
                         : train(config, comm, options->resume, *output);
    };
    end_with(run_on_ranks(*options, *only_score ? Purpose::evaluate : Purpose::train, "", body));
  });
}

void add_eval(CLI::App& app) {
  auto* command = app.add_subcommand("eval", "Score MODEL.WEIGHTS on every set of TEST.PROTOCOL");
  auto options = add_run_options(*command);
  command->add_flag("--resume", options->resume, "score the newest checkpoint in OUTPUT_DIR");
  const auto output = add_output_flags(*command);
  command->callback([options, output] {
    options->argv = arguments();
    end_with(run_on_ranks(*options, Purpose::protocol, "eval", [&](Config& config, Comm& comm) {
      return eval_protocol(config, comm, options->resume, *output);
    }));
  });
}

}  // namespace pixelclip::cli
