#include "gpu/gpu.hpp"

namespace pixelclip::testing {

void without_waiting(const std::function<void()>& work) { work(); }

int64_t waits_in(const std::function<void()>& work) {
  work();
  return 0;
}

}  // namespace pixelclip::testing
