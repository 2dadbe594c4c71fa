#include "dist/launch.hpp"

#include <signal.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <map>
#include <optional>
#include <thread>

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/parallel.hpp"
#include "base/signal.hpp"
#include "dist/failure.hpp"
#include "dist/host_port.hpp"
#include "dist/store.hpp"
#include "dist/worker.hpp"

namespace pixelclip {
namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kPollInterval = std::chrono::milliseconds(20);

/// "tcp://host:port", with an IPv6 host in brackets; "auto" is a free port on this machine.
HostPort parse(const std::string& url) {
  if (url == "auto") return {"127.0.0.1", 0};
  HostPort address;
  if (url.starts_with("tcp://")) address = split_host_port(url);
  if (address.host.empty() || address.port < 1) {
    fail("the distribution address '", url,
         "' is malformed; expected auto or tcp://HOST:PORT with a port from 1 to 65535");
  }
  return address;
}

void check_options(const LaunchOptions& options) {
  if (options.num_processes < 1) {
    fail("the number of processes is ", options.num_processes, "; expected at least 1");
  }
  if (options.num_machines < 1) {
    fail("the number of machines is ", options.num_machines, "; expected at least 1");
  }
  if (options.machine_rank < 0 || options.machine_rank >= options.num_machines) {
    fail("the machine's rank is ", options.machine_rank, "; expected 0 to ",
         options.num_machines - 1);
  }
  if (options.num_machines > 1 && options.dist_url == "auto") {
    fail(
        "with ", options.num_machines,
        " machines the distribution address is not known; give tcp://HOST:PORT of machine 0 on all "
        "of them");
  }
}

class Launcher {
 public:
  explicit Launcher(const LaunchOptions& options)
      : options_(options), address_(parse(options.dist_url)) {}

  int run() {
    if (options_.machine_rank == 0) {
      store_ = serve_store(address_.port, std::chrono::minutes(1), &address_.port);
    }
    if (signals::stop_requested()) return signals::exit_status(0);
    watch_workers();
    return finish();
  }

  ~Launcher() {
    for (auto& worker : workers_) {
      if (!worker.status) kill(worker.process, SIGKILL);
    }
  }

 private:
  /// Returns when all have ended. They handle signals; this process waits for them.
  void watch_workers() {
    const signals::Patience for_workers("");
    for (int i = 0; i < options_.num_processes; ++i) start(i);
    while (alive() > 0) {
      std::this_thread::sleep_for(kPollInterval);
      forward_signals();
      collect();
      if (failed_at_) stop_the_rest();
    }
  }

  std::map<std::string, std::string> variables(int local_rank, int pipe) const {
    const int processes = options_.num_processes;
    std::map<std::string, std::string> values = {
        {"RANK", str(options_.machine_rank * processes + local_rank)},
        {"WORLD_SIZE", str(options_.num_machines * processes)},
        {"LOCAL_RANK", str(local_rank)},
        {"LOCAL_WORLD_SIZE", str(processes)},
        {"MASTER_ADDR", options_.num_machines == 1 ? "127.0.0.1" : address_.host},
        {"MASTER_PORT", str(address_.port)},
        {kPipeVariable, str(pipe)},
    };
    const std::map<std::string, std::string> defaults = {
        {"OMP_NUM_THREADS", str(std::max(1, available_cores() / processes))},
        {"TORCH_CPP_LOG_LEVEL", "ERROR"},
    };
    for (const auto& [name, value] : defaults) {
      if (!std::getenv(name.c_str())) values.emplace(name, value);
    }
    return values;
  }

  void start(int local_rank) {
    const int rank = options_.machine_rank * options_.num_processes + local_rank;
    workers_.push_back(
        Worker::start(rank, options_.argv, [&](int pipe) { return variables(local_rank, pipe); }));
  }

  int alive() const {
    return static_cast<int>(std::count_if(workers_.begin(), workers_.end(),
                                          [](const Worker& worker) { return !worker.status; }));
  }

  void signal_all(int number) {
    for (const auto& worker : workers_) {
      if (!worker.status) kill(worker.process, number);
    }
  }

  void forward_signals() {
    while (const int number = signals::take()) {
      signal_all(number);
      forwarded_ = number;
    }
  }

  void collect() {
    for (auto& worker : workers_) {
      const bool ended = worker.collect();
      if (!ended || *worker.status == 0) continue;
      if (!failed_at_) failed_at_ = Clock::now();
      // A death without a report that follows the launcher's own signals is no cause.
      if (phase_ == 0) worker.failed_first = true;
    }
  }

  /// Others that end soon after the first may have the better reason. Then the other machines are
  /// notified, and the workers here get SIGTERM and later SIGKILL.
  void stop_the_rest() {
    const double seconds = std::chrono::duration<double>(Clock::now() - *failed_at_).count();
    if (phase_ == 0 && (seconds > 0.3 || alive() == 0)) {
      phase_ = 1;
      notify_other_machines(root_cause().describe());
    } else if (phase_ == 1 && seconds > options_.grace_seconds / 3) {
      phase_ = 2;
      signal_all(SIGTERM);
    } else if (phase_ == 2 && seconds > options_.grace_seconds) {
      phase_ = 3;
      signal_all(SIGKILL);
    }
  }

  const Worker& root_cause() const {
    return *std::min_element(
        workers_.begin(), workers_.end(),
        [](const Worker& a, const Worker& b) { return a.blame_order() < b.blame_order(); });
  }

  void notify_other_machines(const std::string& text) noexcept {
    try {
      const auto limit = std::chrono::seconds(3);
      const StorePtr store = store_ ? store_ : connect_store(address_.host, address_.port, limit);
      set_failure(*part_of(store, 0), text);
    } catch (const std::exception&) {
      // Without the store, the ranks of the other machines stop by themselves.
    }
  }

  /// Serves the store until the ranks of the other machines have left, know of the failure, or send
  /// no more heartbeats.
  void wait_for_other_machines() {
    if (!store_ || options_.num_machines == 1) return;
    const signals::Doing waiting("waiting for the other machines to finish");
    const StorePtr part = part_of(store_, 0);
    const int first = options_.num_processes;
    const int all = options_.num_machines * options_.num_processes;
    const auto patience = std::chrono::seconds(failed_at_ ? 3 : 60);
    std::string heartbeats;
    for (auto until = Clock::now() + patience; Clock::now() < until;) {
      std::string now;
      for (int rank = first; rank < all; ++rank) {
        if (part->check({left_key(rank)}) || !part->check({heartbeat_key(rank)})) continue;
        now += part->get_to_str(heartbeat_key(rank)) + '\n';
      }
      if (now.empty() || (get_failure(*part) && part->add(kFailureKnown, 0) >= all - first)) return;
      if (now != heartbeats && !failed_at_) until = Clock::now() + patience;
      heartbeats = now;
      std::this_thread::sleep_for(Milliseconds(50));
    }
  }

  int finish() {
    if (!failed_at_) {
      wait_for_other_machines();
      return 0;
    }
    if (phase_ == 0) notify_other_machines(root_cause().describe());
    const bool alone = options_.num_machines * options_.num_processes == 1;
    const bool as_requested =
        root_cause().report.empty() && forwarded_ && root_cause().exit_status() == 128 + forwarded_;
    if (!as_requested)
      log::error(root_cause().describe(), alone ? "" : "; all other processes were stopped");
    wait_for_other_machines();
    return root_cause().exit_status();
  }

  const LaunchOptions& options_;
  HostPort address_;
  StorePtr store_;
  std::vector<Worker> workers_;
  std::optional<Clock::time_point> failed_at_;
  int phase_ = 0;
  int forwarded_ = 0;  ///< the last signal that was forwarded
};

}  // namespace

int launch(const LaunchOptions& options) {
  check_options(options);
  return Launcher(options).run();
}

bool is_worker() {
  const auto world = world_from_environment();
  // A single process of SLURM may be a shell inside a job.
  return world.world_size > 1 || world.started_by == "pixelclip";
}

}  // namespace pixelclip
