#pragma once

#include <ATen/record_function.h>

#include <cstdint>

namespace pixelclip::cli {

/// What LibTorch did on the threads of one piece of work, its backward pass included.
struct OperationCounts {
  int64_t operations = 0;    ///< that compute; on a GPU each is about one launch
  int64_t allocations = 0;   ///< of tensors
  int64_t to_host = 0;       ///< copies
  int64_t to_device = 0;     ///< copies
  int64_t synchronized = 0;  ///< where the host waits for a GPU: values read, blocking copies
};

/// Counts the operations of this thread, and of the threads that run its backward passes, while it
/// lives. One at a time.
class OperationCounter {
 public:
  OperationCounter();
  ~OperationCounter();
  OperationCounter(const OperationCounter&) = delete;
  OperationCounter& operator=(const OperationCounter&) = delete;

  const OperationCounts& counts() const;

 private:
  at::CallbackHandle handle_;
};

}  // namespace pixelclip::cli
