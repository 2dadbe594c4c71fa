#include <c10/cuda/CUDAFunctions.h>
#include <torch/types.h>

#include "base/scope_exit.hpp"
#include "gpu/gpu.hpp"

// torch's debug mode of synchronisations.
namespace pixelclip::testing {
namespace {

using Mode = c10::cuda::SyncDebugMode;

void in_mode(Mode mode, const std::function<void()>& work) {
  auto& state = c10::cuda::warning_state();
  state.set_sync_debug_mode(mode);
  const ScopeExit off([&] { state.set_sync_debug_mode(Mode::L_DISABLED); });
  work();
}

struct WaitCounter final : c10::WarningHandler {
  void process(const c10::Warning& warning) override {
    if (warning.msg().find("synchronizing CUDA operation") != std::string::npos) ++count;
  }
  int64_t count = 0;
};

}  // namespace

void without_waiting(const std::function<void()>& work) {
  EXPECT_NO_THROW(in_mode(Mode::L_ERROR, work));
}

int64_t waits_in(const std::function<void()>& work) {
  WaitCounter counter;
  const c10::WarningUtils::WarningHandlerGuard guard(&counter);
  in_mode(Mode::L_WARN, work);
  return counter.count;
}

}  // namespace pixelclip::testing
