#pragma once

#include <ATen/CPUGeneratorImpl.h>

#include <mutex>

namespace pixelclip {

/// LibTorch's own CPU generator, from which new layers draw their parameters, starts at `seed` for
/// a scope and gets its state back afterwards.
class SeededInit {
 public:
  explicit SeededInit(uint64_t seed) {
    const std::scoped_lock lock(generator_.mutex());
    before_ = generator_.get_state();
    generator_.set_current_seed(seed);
  }
  ~SeededInit() {
    const std::scoped_lock lock(generator_.mutex());
    generator_.set_state(before_);
  }
  SeededInit(const SeededInit&) = delete;
  SeededInit& operator=(const SeededInit&) = delete;

  const at::Generator& generator() const { return generator_; }

 private:
  at::Generator generator_ = at::detail::getDefaultCPUGenerator();
  at::Tensor before_;
};

}  // namespace pixelclip
