#pragma once

#include <string>

namespace pixelclip {

/// This process's place among the processes of a run, and the address of their store.
struct WorldInfo {
  int rank = 0;
  int world_size = 1;
  /// Place among the processes of this machine; picks the GPU.
  int local_rank = 0;
  int local_world_size = 1;
  /// Of the TCP store.
  std::string address = "127.0.0.1";
  int port = 0;
  /// A launcher (this program's or torchrun's) serves the store; otherwise rank 0 does.
  bool launcher_has_store = false;
  /// torchrun's restart count: each attempt has its own part of the store.
  int attempt = 0;
  /// The launcher: "alone", "pixelclip", "torchrun", "SLURM", "Open MPI".
  std::string started_by = "alone";
};

/// Reads the environment that `launch`, torchrun, srun and mpirun set, in this order; without any,
/// a world of one. MASTER_ADDR and MASTER_PORT win over what SLURM and Open MPI say. Errors:
/// malformed or contradictory numbers, no address for several machines.
WorldInfo world_from_environment();

/// The first host of a SLURM node list: "gpu[07-09,12],login" gives "gpu07".
std::string first_slurm_host(const std::string& node_list);

}  // namespace pixelclip
