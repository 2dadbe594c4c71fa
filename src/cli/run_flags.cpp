#include "cli/run_flags.hpp"

#include <algorithm>

#include "cli/overrides.hpp"
#include "config/check.hpp"
#include "data/catalog.hpp"
#include "demo/prepare.hpp"
#include "engine/model_factory.hpp"

namespace pixelclip::cli {
namespace {

/// Creates the demo's images and its small CLIP when a run uses them. That takes minutes, so the
/// weights are checked first.
void prepare_demo_if_used(Config& config, Purpose purpose, bool own_weights) {
  const auto sets = sets_of(config, purpose);
  auto& pretrained = config.model.sem_seg_head.clip_pretrained;
  const bool wanted =
      pretrained == "demo" || std::any_of(sets.begin(), sets.end(), [](const std::string& name) {
        return name.starts_with("demo_");
      });
  if (!wanted) return;
  if (!own_weights && (!config.model.weights.empty() || pretrained != "demo"))
    check_weights(config.model);
  const auto folder = DatasetRoots::find(config.datasets.root).test / "demo";
  prepare_demo(folder);
  if (pretrained == "demo") pretrained = (folder / "clip.pth").string();
}

}  // namespace

std::shared_ptr<RunOptions> add_run_options(CLI::App& command) {
  auto options = std::make_shared<RunOptions>();
  options->prepare = prepare_demo_if_used;
  command.add_option("--config-file,--config", options->config_file, "YAML file")->required();
  command.add_option("--num-gpus", options->num_gpus,
                     "processes on this machine, one a GPU (default 1)");
  command.add_option("--num-machines", options->num_machines, "machines of the run (default 1)");
  command.add_option("--machine-rank", options->machine_rank, "this machine's number, from 0");
  command.add_option("--dist-url", options->dist_url,
                     "tcp://host:port of machine 0; auto on one machine");
  add_overrides(command, options->overrides);
  return options;
}

void end_with(int status) {
  if (status != 0) throw CLI::RuntimeError(status);
}

}  // namespace pixelclip::cli
