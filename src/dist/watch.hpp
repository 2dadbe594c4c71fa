#pragma once

#include <c10/core/Event.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "dist/comm.hpp"
#include "dist/store.hpp"

namespace pixelclip {

/// The thread of a rank that ends the process when the run has failed elsewhere, when the store is
/// gone, when an operation lasts too long, or when the GPU reports an error. It also publishes
/// heartbeats, which rank 0 checks.
class Watch {
 public:
  using Clock = std::chrono::steady_clock;

  /// `device` becomes the thread's current one: else its events would open a context on GPU 0.
  Watch(const StorePtr& store, const WorldInfo& world, torch::Device device,
        const CommOptions& options);
  ~Watch();

  void set_step(int64_t step) { step_ = step; }
  /// "rank 1, step 12"
  std::string place() const;

  /// An operation begins; it lasts until `end`, or until `event` has happened on its stream.
  int64_t begin(const std::string& name);
  void end(int64_t id);
  void end_with(int64_t id, c10::Event event);

  /// The ranks that have begun fewer operations than this one, and where they are.
  std::string missing_ranks();

  /// After this the thread does nothing more: the run fails, or has finished.
  void stop();

 private:
  struct Operation {
    std::string name;
    int64_t step;
    Clock::time_point begun;
    std::optional<c10::Event> event;
  };
  struct Heartbeat {
    std::string text;
    Clock::time_point seen;
  };

  void loop();
  void check(int64_t turn);
  void publish(int64_t turn);
  void check_failure();
  void check_operations();
  void check_heartbeats();
  /// Reports that this rank has failed, and ends the process.
  [[noreturn]] void fail_run(const std::string& reason, FailureKind kind);
  [[noreturn]] void end_process(const std::string& reason, FailureKind kind);

  const WorldInfo world_;
  const torch::Device device_;
  const CommOptions options_;
  StorePtr store_;
  std::atomic<int64_t> step_{-1};
  std::atomic<bool> stopped_{false};
  std::mutex mutex_;
  std::condition_variable wake_;
  std::map<int64_t, Operation> operations_;
  int64_t begun_ = 0;
  std::string last_name_;
  std::vector<Heartbeat> heartbeats_;
  std::thread thread_;
};

}  // namespace pixelclip
