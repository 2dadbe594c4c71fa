#pragma once

#include <functional>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "dist/comm.hpp"

namespace pixelclip {

/// How a command was called.
struct RunOptions {
  std::string config_file;
  int num_gpus = 1;  ///< processes on this machine, one a GPU
  int num_machines = 1;
  int machine_rank = 0;
  std::string dist_url = "auto";
  std::vector<std::string> overrides;
  bool resume =
      false;  ///< a checkpoint of OUTPUT_DIR replaces the weights that the configuration names
  std::vector<std::string> argv;  ///< of this process, for the workers
  /// Makes data that the configuration names and that is not there yet. `own_weights`: the run goes
  /// on from its own checkpoint.
  std::function<void(Config&, Purpose, bool own_weights)> prepare = {};
};

/// Puts the file in place of what only says where it may be found: MODEL.DINO_WEIGHTS, for training
/// with MODEL.DINO. Errors: as find_dino_weights.
void find_files(Config& config, Purpose purpose);

/// Reads and checks the configuration, calls `prepare`, and
/// runs `body` on every rank: here for one process, else in workers that this process starts and
/// watches. The log goes to `OUTPUT_DIR`/`subfolder`, likewise config.yaml, but that of a training
/// run is the trainer's to write. Returns the exit status.
int run_on_ranks(const RunOptions& options, Purpose purpose, const std::string& subfolder,
                 const std::function<int(Config&, Comm&)>& body);

}  // namespace pixelclip
