#include "dist/world.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <optional>

#include "base/error.hpp"
#include "base/text.hpp"
#include "dist/host_port.hpp"

namespace pixelclip {
namespace {

/// Without the blanks and line ends that environment files leave around values.
std::optional<std::string> variable(const char* name) {
  const char* value = std::getenv(name);
  const std::string text = trimmed(value ? value : "");
  return text.empty() ? std::nullopt : std::optional(text);
}

/// Errors: the variable is set but is not a whole number of at least `least`.
std::optional<int> number(const char* name, int least = 0) {
  const auto text = variable(name);
  if (!text) return std::nullopt;
  int value = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (error != std::errc() || end != text->data() + text->size() || value < least) {
    fail("environment variable ", name, ": '", *text, "' is not a whole number of at least ", least,
         "; unset it to run on one process");
  }
  return value;
}

int required(const char* name, const char* because_of, int least = 0) {
  const auto value = number(name, least);
  if (!value) {
    fail("environment variable ", name, " is missing though ", because_of,
         " is set; set both, or neither to run on one process");
  }
  return *value;
}

/// A port that all processes of a job derive alike, below the ephemeral ports.
int port_from(const std::string& job) {
  uint32_t hash = 2166136261u;  // FNV-1a: the same on every machine, unlike std::hash
  for (const unsigned char c : job) hash = (hash ^ c) * 16777619u;
  return static_cast<int>(20000 + hash % 12000);
}

void check_ranks(const WorldInfo& world) {
  if (world.rank >= world.world_size) {
    fail("the environment (", world.started_by, ") says rank ", world.rank, " of ",
         world.world_size, " processes; ranks count from 0 and stay below the number of processes");
  }
  if (world.local_rank >= world.local_world_size) {
    fail("the environment (", world.started_by, ") says local rank ", world.local_rank, " of ",
         world.local_world_size, " processes on this machine; local ranks stay below that number");
  }
  if (world.world_size > 1 && (world.port < 1 || world.port > 65535)) {
    fail("environment variable MASTER_PORT: ", world.port, " is no port; expected 1 to 65535");
  }
}

/// MASTER_ADDR may contain a port. Kubernetes sets MASTER_PORT to tcp://HOST:PORT for a service
/// called "master". A single process ignores both.
void read_meeting_point(WorldInfo& world) {
  if (world.world_size == 1) return;
  const auto address = variable("MASTER_ADDR"), port = variable("MASTER_PORT");
  const bool url = port && port->starts_with("tcp://");
  if (url) {
    const auto [host, url_port] = split_host_port(*port);
    if (url_port < 1)
      fail("environment variable MASTER_PORT: '", *port, "' is neither a port nor tcp://HOST:PORT");
    if (!host.empty()) world.address = host;
    world.port = url_port;
  } else if (port) {
    world.port = number("MASTER_PORT", 1).value();
  }
  if (!address) return;
  const auto [host, own_port] = split_host_port(*address);
  if (host.empty() || own_port < 0) {
    fail("environment variable MASTER_ADDR: '", *address,
         "' is no host; expected a name or an address of rank 0's machine");
  }
  if (own_port > 0 && port && !url && own_port != world.port) {
    fail("environment variables MASTER_ADDR: '", *address, "' and MASTER_PORT: '", *port,
         "' name different ports");
  }
  world.address = host;
  if (own_port > 0) world.port = own_port;
}

/// torchrun's variables, which `launch` sets too.
WorldInfo from_torchrun() {
  WorldInfo world;
  world.started_by = variable("PIXELCLIP_LAUNCHER") ? "pixelclip" : "torchrun";
  world.rank = required("RANK", "WORLD_SIZE");
  world.world_size = required("WORLD_SIZE", "RANK", 1);
  world.local_rank = number("LOCAL_RANK").value_or(0);
  world.local_world_size =
      number("LOCAL_WORLD_SIZE", 1)
          .value_or(std::max(world.local_rank + 1, variable("LOCAL_RANK") ? 1 : world.world_size));
  world.launcher_has_store = world.started_by == "pixelclip" ||
                             variable("TORCHELASTIC_USE_AGENT_STORE").value_or("") == "True";
  world.attempt = number("TORCHELASTIC_RESTART_COUNT").value_or(0);
  read_meeting_point(world);
  if (world.world_size > 1 && world.port == 0) required("MASTER_PORT", "WORLD_SIZE", 1);
  return world;
}

WorldInfo from_open_mpi() {
  WorldInfo world;
  world.started_by = "Open MPI";
  world.rank = required("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE");
  world.world_size = required("OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK", 1);
  world.local_rank = number("OMPI_COMM_WORLD_LOCAL_RANK").value_or(0);
  world.local_world_size = number("OMPI_COMM_WORLD_LOCAL_SIZE", 1).value_or(world.world_size);
  std::string job = "0";
  for (const char* name :
       {"PMIX_NAMESPACE", "OMPI_MCA_ess_base_jobid", "OMPI_MCA_orte_ess_jobid"}) {
    if (const auto value = variable(name)) job = *value;
  }
  world.port = port_from(job);
  if (world.local_world_size < world.world_size && !variable("MASTER_ADDR")) {
    fail("mpirun started ", world.world_size,
         " processes on several machines, but the machine of rank 0 "
         "is not known; add -x MASTER_ADDR=HOST with the first machine's name to mpirun");
  }
  read_meeting_point(world);
  return world;
}

WorldInfo from_slurm() {
  WorldInfo world;
  world.started_by = "SLURM";
  world.rank = required("SLURM_PROCID", "SLURM_STEP_NODELIST");
  world.world_size =
      number("SLURM_STEP_NUM_TASKS", 1).value_or(number("SLURM_NTASKS", 1).value_or(1));
  world.local_rank = number("SLURM_LOCALID").value_or(0);
  // "2(x3)" or "4,2": exact only for the first machines, and only used to divide the cores.
  const auto tasks = variable("SLURM_STEP_TASKS_PER_NODE").value_or("");
  world.local_world_size = std::max({world.local_rank + 1, std::atoi(tasks.c_str()), 1});
  const auto nodes = variable("SLURM_STEP_NODELIST");
  if (nodes) {
    world.address = first_slurm_host(*nodes);
  } else if (const auto address = variable("SLURM_LAUNCH_NODE_IPADDR")) {
    world.address = *address;
  }
  world.port = port_from(variable("SLURM_JOB_ID").value_or("0") + "." +
                         variable("SLURM_STEP_ID").value_or("0"));
  read_meeting_point(world);
  return world;
}

/// The variables of a job are also set outside of srun (in a batch script, in salloc's shell); only
/// those of a step mean that other processes exist.
bool in_slurm_step() {
  return variable("SLURM_PROCID") &&
         (variable("SLURM_STEP_NODELIST") || variable("SLURM_STEP_NUM_TASKS"));
}

}  // namespace

std::string first_slurm_host(const std::string& node_list) {
  const size_t bracket = node_list.find('[');
  const size_t comma = node_list.find(',');
  if (bracket == std::string::npos || comma < bracket) return node_list.substr(0, comma);
  const size_t close = node_list.find(']', bracket);
  if (close == std::string::npos) {
    fail("SLURM's node list '", node_list, "' has no ']'; set MASTER_ADDR to the first machine");
  }
  const size_t end = node_list.find_first_of("-,]", bracket);
  const size_t suffix_end = std::min(node_list.find(',', close), node_list.size());
  return node_list.substr(0, bracket) + node_list.substr(bracket + 1, end - bracket - 1) +
         node_list.substr(close + 1, suffix_end - close - 1);
}

WorldInfo world_from_environment() {
  WorldInfo world;
  if (variable("RANK") || variable("WORLD_SIZE")) {
    world = from_torchrun();
  } else if (variable("OMPI_COMM_WORLD_RANK") || variable("OMPI_COMM_WORLD_SIZE")) {
    world = from_open_mpi();
  } else if (in_slurm_step()) {
    world = from_slurm();
  }
  check_ranks(world);
  return world;
}

}  // namespace pixelclip
