#pragma once

#include <functional>
#include <string>
#include <vector>

#include "config/check.hpp"
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
  bool resume = false;  ///< a checkpoint in OUTPUT_DIR replaces the weights of the configuration
  std::vector<std::string> argv;  ///< of this process, for the workers
  /// Creates data that the configuration names and that does not exist yet. `own_weights`: the run
  /// continues from its own checkpoint.
  std::function<void(Config&, Purpose, bool own_weights)> prepare = {};
};

/// Replaces names by the files that they stand for: MODEL.DINO_WEIGHTS, for training with
/// MODEL.DINO. Errors: as find_dino_weights.
void find_files(Config& config, Purpose purpose);

/// The work of one rank; returns the exit status of its process.
using RankBody = std::function<int(Config&, Comm&)>;

/// Reads and checks the configuration, calls `prepare`, and runs `body` on every rank: here for one
/// process, else in workers that this process starts and watches. The log goes to
/// `OUTPUT_DIR`/`subfolder`, and so does config.yaml, which the trainer writes for a training run.
/// Returns the exit status. A rank on a GPU without enough memory ends with a sentence that says
/// which keys lower the need.
int run_on_ranks(const RunOptions& options, Purpose purpose, const std::string& subfolder,
                 const RankBody& body);

}  // namespace pixelclip
