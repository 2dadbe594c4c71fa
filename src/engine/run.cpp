#include "engine/run.hpp"

#include <torch/utils.h>

#include <cmath>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/log.hpp"
#include "clip/find_weights.hpp"
#include "clip/sources.hpp"
#include "config/writer.hpp"
#include "data/catalog.hpp"
#include "dist/launch.hpp"
#include "engine/checkpointer.hpp"
#include "engine/runtime.hpp"
#include "inference/precision.hpp"

namespace pixelclip {
namespace {

/// Errors: an unknown data set.
void check_sets(const Config& config, Purpose purpose) {
  const Catalog catalog(config.datasets);
  for (const auto& name : sets_of(config, purpose)) catalog.find(name);
}

/// The configuration as it is checked: a resumed run takes its weights from its checkpoint, which
/// only rank 0 needs to see.
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

/// Scoring in the folder of a training run does not replace its configuration.
bool is_of_training(const std::filesystem::path& folder, Purpose purpose) {
  return purpose == Purpose::evaluate && std::filesystem::exists(folder / "last_checkpoint");
}

/// Errors: the processes cannot all have a device, which would otherwise only show in each of them.
void check_devices(const std::string& name, const RunOptions& options) {
  const WorldInfo world{.world_size = options.num_gpus * options.num_machines,
                        .local_world_size = options.num_gpus};
  const auto device = runtime::pick_device(name, world);
  if (device.is_cuda() && options.num_gpus > gpu_count())
    fail("--num-gpus is ", options.num_gpus, ", but this machine shows ", gpu_count(), " GPU(s)");
}

/// Starts the workers of this machine and waits for them.
int launch_workers(Config& config, const RunOptions& options, Purpose purpose,
                   const std::filesystem::path& folder) {
  const int processes = options.num_gpus * options.num_machines;
  if (purpose == Purpose::train) scale_to_world(config, processes);
  const auto needed = with_own_weights(config, options, options.machine_rank);
  check(needed, processes, purpose);
  check_devices(config.model.device, options);
  make_writable_folder(folder);
  if (options.prepare)
    options.prepare(config, purpose, needed.model.weights != config.model.weights);
  return launch({.num_processes = options.num_gpus,
                 .num_machines = options.num_machines,
                 .machine_rank = options.machine_rank,
                 .dist_url = options.dist_url,
                 .argv = options.argv});
}

/// What to do when a GPU has not enough memory.
std::string out_of_memory_text(const SolverConfig& solver, Purpose purpose,
                               const std::exception& error) {
  const std::string advice =
      purpose == Purpose::train
          ? str("lower SOLVER.IMS_PER_BATCH (", solver.ims_per_batch,
                ") or raise SOLVER.ACCUMULATE_STEPS (", solver.accumulate_steps,
                "); SOLVER.AMP.ENABLED True and MODEL.LIMIT_MASKS True need less memory too")
          : "lower TEST.BATCH_SIZE, or score smaller images (TEST.SHORT_SIDE, INPUT.MIN_SIZE_TEST)";
  return str("out of GPU memory: ", advice, " (", reason_of(error), ")");
}

/// The work of one rank, which this process is.
int run_here(Config& config, const WorldInfo& world, const RunOptions& options, Purpose purpose,
             const std::filesystem::path& folder, const RankBody& body) {
  const bool scaled = purpose == Purpose::train && scale_to_world(config, world.world_size);
  const auto needed = with_own_weights(config, options, world.rank);
  check(needed, world.world_size, purpose);
  const auto device = runtime::pick_device(config.model.device, world);
  make_writable_folder(folder);
  if (options.prepare)
    options.prepare(config, purpose, needed.model.weights != config.model.weights);
  runtime::set_up_torch(world.local_world_size);
  runtime::set_up_gpu_math(config.float32_precision, config.cudnn_benchmark, config.deterministic);
  runtime::set_up_log(folder, world.rank);
  if (world.rank == 0) {
    if (purpose != Purpose::train && !is_of_training(folder, purpose))
      write_text(folder / "config.yaml", to_yaml(config));
    log_passed_over(config);
    if (scaled)
      log::info("scaled to ", world.world_size,
                " ranks by SOLVER.REFERENCE_WORLD_SIZE; config.yaml has the new values");
    if (purpose == Purpose::train) warn_of_emulation(config.solver.amp, device);
    warn_of_emulation(config.model, device);
  }
  set_current_device(device);
  CommOptions comm_options;
  comm_options.time_limit = std::chrono::milliseconds(std::llround(config.dist_timeout * 1000));
  Comm comm(world, device, comm_options);
  return run_rank(comm, [&] {
    try {
      return body(config, comm);
    } catch (const c10::OutOfMemoryError& e) {
      fail(ErrorKind::unavailable, out_of_memory_text(config.solver, purpose, e));
    }
  });
}

}  // namespace

void find_files(Config& config, Purpose purpose) {
  auto& model = config.model;
  if (purpose == Purpose::train && model.dino)
    model.dino_weights = find_dino_weights(model.dino_weights).string();
}

int run_on_ranks(const RunOptions& options, Purpose purpose, const std::string& subfolder,
                 const RankBody& body) {
  if (options.num_gpus < 1 || options.num_machines < 1)
    fail("--num-gpus and --num-machines start at 1");
  const bool starts_workers = !is_worker() && options.num_gpus * options.num_machines > 1;
  WorldInfo world;
  if (!starts_workers) world = world_from_environment();
  try {
    Config config = load_config(options.config_file, options.overrides);
    if (purpose == Purpose::protocol) apply_to_protocol(config, options.overrides);
    check_sets(config, purpose);
    find_files(config, purpose);
    const auto folder = std::filesystem::path(config.output_dir) / subfolder;
    return starts_workers ? launch_workers(config, options, purpose, folder)
                          : run_here(config, world, options, purpose, folder, body);
  } catch (const std::exception& e) {
    report_to_launcher(FailureKind::own_error, reason_of(e));
    throw;
  }
}

}  // namespace pixelclip
