#pragma once

#include <string>
#include <vector>

#include "dist/world.hpp"

namespace pixelclip {

struct LaunchOptions {
  /// Worker processes on this machine.
  int num_processes = 1;
  int num_machines = 1;
  /// Of this machine, in [0, num_machines).
  int machine_rank = 0;
  /// Of the store: "auto" (one machine only: a free port) or "tcp://host:port" of machine 0.
  std::string dist_url = "auto";
  /// The workers' arguments, argv[0] included.
  std::vector<std::string> argv;
  /// How long a worker may take to end after another has failed, before it is killed.
  double grace_seconds = 5.0;
};

/// Starts `num_processes` copies of this program with the environment that `world_from_environment`
/// reads, forwards each SIGINT, SIGTERM and SIGUSR1 to them once, and waits. When one fails or
/// dies, the others on every machine are stopped within seconds, and the rank and its reason are
/// logged. No worker outlives this process. The caller has installed the handlers (base/signal).
/// Returns 0 when all workers returned 0, otherwise the exit status of the first that failed (128 +
/// number for a signal). Errors: bad options, the address is in use.
int launch(const LaunchOptions& options);

/// Whether this process is one of several, or a worker of `launch`: then it must not launch.
bool is_worker();

}  // namespace pixelclip
