#pragma once

#include <string>
#include <vector>

#include "dist/world.hpp"

namespace pixelclip {

struct LaunchOptions {
  /// Worker processes on this machine.
  int num_processes = 1;
  int num_machines = 1;
  /// This machine's place in [0, num_machines).
  int machine_rank = 0;
  /// Where all meet: "auto" (one machine only: a free port) or "tcp://host:port" of machine 0.
  std::string dist_url = "auto";
  /// The workers' arguments, argv[0] included.
  std::vector<std::string> argv;
  /// How long a worker may take to end after another has failed, before it is killed.
  double grace_seconds = 5.0;
};

/// Starts `num_processes` copies of this program with the environment that `world_from_environment`
/// reads, hands each SIGINT, SIGTERM and SIGUSR1 on to them once, and waits. When one fails or dies
/// the others, on every machine, are stopped within seconds, and the rank and its reason are
/// logged. No worker outlives this process. Returns 0 when all workers returned 0, otherwise the
/// exit status of the first that failed (128 + number for a signal). Errors: bad options, the
/// address is taken.
int launch(const LaunchOptions& options);

/// Whether this process is one of several already, or a worker of `launch`: then it must not
/// launch.
bool is_worker();

/// Gives the launcher, if there is one, the reason why this worker fails: for an error before a
/// Comm exists; `run_rank` does it by itself.
void tell_launcher(const std::string& reason) noexcept;

}  // namespace pixelclip
