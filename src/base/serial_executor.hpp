#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <future>
#include <mutex>
#include <thread>

namespace pixelclip {

/// A thread that does the work which other threads give it, one piece after the other. Libraries
/// that keep memory for each thread, as cuBLAS and cuDNN do, then keep it once.
class SerialExecutor {
 public:
  SerialExecutor();
  /// Waits for the work that is left.
  ~SerialExecutor();
  SerialExecutor(const SerialExecutor&) = delete;
  SerialExecutor& operator=(const SerialExecutor&) = delete;

  /// Returns when `work` is done. Errors: what it throws.
  void run(const std::function<void()>& work);

 private:
  void loop();

  std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<std::packaged_task<void()>> waiting_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace pixelclip
