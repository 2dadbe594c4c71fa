#pragma once

#include <ATen/Parallel.h>

namespace pixelclip {

/// The number of LibTorch's threads inside one operation, for a scope. A new thread takes it over
/// by at::init_num_threads().
class TorchThreads {
 public:
  explicit TorchThreads(int count) : before_(at::get_num_threads()) { at::set_num_threads(count); }
  ~TorchThreads() { at::set_num_threads(before_); }
  TorchThreads(const TorchThreads&) = delete;
  TorchThreads& operator=(const TorchThreads&) = delete;

 private:
  int before_;
};

}  // namespace pixelclip
