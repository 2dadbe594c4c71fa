#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <thread>

namespace pixelclip {

/// Cores this process may run on (its affinity mask), at least 1.
int available_cores();

/// Calls `body(i)` for each i in [0, count) on up to `threads` threads (0: all cores), each index
/// once, in no fixed order. The first exception stops the rest and is thrown again here.
void parallel_for(int64_t count, int threads, const std::function<void(int64_t)>& body);

/// A thread that runs tasks one after the other. OpenMP and MKL create threads and buffers for each
/// calling thread; for a server with many threads this would cost more than the work itself.
class OneThread {
 public:
  OneThread();
  /// Waits for the running task. No other thread may be waiting for a task.
  ~OneThread();

  /// Runs `task` and returns its result or throws its exception.
  template <class Task>
  auto operator()(Task task) {
    const auto packaged =
        std::make_shared<std::packaged_task<std::invoke_result_t<Task>()>>(std::move(task));
    auto result = packaged->get_future();
    post([packaged] { (*packaged)(); });
    return result.get();
  }

 private:
  void post(std::function<void()> task);
  void work();

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> tasks_;
  bool ending_ = false;
  std::thread thread_;
};

}  // namespace pixelclip
