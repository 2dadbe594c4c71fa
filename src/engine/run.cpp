#include "engine/run.hpp"

#include <torch/cuda.h>
#include <torch/utils.h>

#include <algorithm>
#include <cmath>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/log.hpp"
#include "base/signal.hpp"
#include "clip/sources.hpp"
#include "data/catalog.hpp"
#include "dist/launch.hpp"
#include "engine/build.hpp"
#include "engine/checkpointer.hpp"
#include "inference/precision.hpp"

namespace pixelclip {
namespace {

/// Errors: an unknown data set.
void check_sets(const Config& config, Purpose purpose) {
  const Catalog catalog(config.datasets);
  for (const auto& name : sets_of(config, purpose)) catalog.find(name);
}

/// The configuration for a check of what it names: a run that goes on takes its weights from its
/// checkpoint, which rank 0 alone need see.
Config with_own_weights(Config config, const RunOptions& options, int rank) {
  if (!options.resume) return config;
  if (const auto newest = Checkpointer(config.output_dir, 0).newest()) {
    config.model.weights = newest->string();
  } else if (rank > 0) {
    config.model.weights.clear();
    config.model.sem_seg_head.clip_pretrained = "of rank 0";
  }
  return config;
}

/// Scoring in the folder of a training run leaves its configuration there.
bool is_of_training(const std::filesystem::path& folder, Purpose purpose) {
  return purpose == Purpose::evaluate && std::filesystem::exists(folder / "last_checkpoint");
}

void check_gpus(const Config& config, int num_gpus) {
  const bool gpu = torch::Device(config.model.device).is_cuda() && torch::cuda::is_available();
  const auto count = static_cast<int>(torch::cuda::device_count());
  if (gpu && num_gpus > count)
    fail("--num-gpus ", num_gpus, " asks for more than the ", count, " GPU(s) of this machine");
}

}  // namespace

void find_files(Config& config, Purpose purpose) {
  auto& model = config.model;
  if (purpose == Purpose::train && model.dino)
    model.dino_weights = find_dino_weights(model.dino_weights).string();
}

int run_on_ranks(const RunOptions& options, Purpose purpose, const std::string& subfolder,
                 const std::function<int(Config&, Comm&)>& body) {
  signals::install();
  if (options.num_gpus < 1 || options.num_machines < 1)
    fail("--num-gpus and --num-machines start at 1");
  Config config = load_config(options.config_file, options.overrides);
  if (purpose == Purpose::protocol) apply_to_protocol(config, options.overrides);
  check_sets(config, purpose);
  find_files(config, purpose);
  const auto folder = std::filesystem::path(config.output_dir) / subfolder;
  if (!is_worker() && options.num_gpus * options.num_machines > 1) {
    if (purpose == Purpose::train) scale_to_world(config, options.num_gpus * options.num_machines);
    const auto needed = with_own_weights(config, options, options.machine_rank);
    check(needed, options.num_gpus * options.num_machines, purpose);
    check_gpus(config, options.num_gpus);
    make_writable_folder(folder);
    if (options.prepare)
      options.prepare(config, purpose, needed.model.weights != config.model.weights);
    return launch({.num_processes = options.num_gpus,
                   .num_machines = options.num_machines,
                   .machine_rank = options.machine_rank,
                   .dist_url = options.dist_url,
                   .argv = options.argv});
  }
  const auto world = world_from_environment();
  const bool scaled = purpose == Purpose::train && scale_to_world(config, world.world_size);
  const auto needed = with_own_weights(config, options, world.rank);
  check(needed, world.world_size, purpose);
  log::set_rank(world.rank);
  make_writable_folder(folder);
  if (options.prepare)
    options.prepare(config, purpose, needed.model.weights != config.model.weights);
  set_up_torch(config, world.local_world_size);
  if (world.rank == 0) {
    log::add_file(folder / "log.txt");
    if (purpose != Purpose::train && !is_of_training(folder, purpose))
      write_text(folder / "config.yaml", to_yaml(config));
    log_passed_over(config);
    if (scaled)
      log::info("scaled to ", world.world_size,
                " ranks by SOLVER.REFERENCE_WORLD_SIZE; config.yaml says to what");
  }
  CommOptions options_of_comm;
  options_of_comm.time_limit = std::chrono::milliseconds(std::llround(config.dist_timeout * 1000));
  const auto device = pick_device(config, world.local_rank);
  if (world.rank == 0) warn_of_emulation(config, purpose, device);
  Comm comm(world, device, options_of_comm);
  return run_rank(comm, [&] { return body(config, comm); });
}

}  // namespace pixelclip
