#pragma once

#include <torch/types.h>

#include <functional>
#include <optional>

#include "base/serial_executor.hpp"

namespace pixelclip {

/// Does the work that several threads have for a device: on a GPU one thread of its own, which
/// alone keeps the memory that cuBLAS and cuDNN keep for each thread; on a CPU the calling thread.
class DeviceThread {
 public:
  explicit DeviceThread(torch::Device device) {
    if (!device.is_cpu()) thread_.emplace();
  }

  /// Returns when `work` is done. Errors: what it throws.
  void run(const std::function<void()>& work) { thread_ ? thread_->run(work) : work(); }

 private:
  std::optional<SerialExecutor> thread_;
};

}  // namespace pixelclip
