#include "inference/two_threads.hpp"

#include <torch/utils.h>

#include "base/parallel.hpp"
#include "nn/torch_threads.hpp"

namespace pixelclip {

void run_with_two_threads(const torch::Device& device, const std::function<void()>& task) {
  if (!device.is_cpu()) return task();
  static OneThread& thread = [&]() -> OneThread& {
    const TorchThreads restore(at::get_num_threads());  // the number that later threads start with
    auto& made = *new OneThread;                        // lives as long as the process
    made([] {
      at::get_num_threads();  // else the first operation would set the number anew
      at::set_num_threads(2);
    });
    return made;
  }();
  const bool with_gradients = at::GradMode::is_enabled();  // each thread has its own setting
  thread([&] {
    const at::AutoGradMode mode(with_gradients);
    task();
  });
}

}  // namespace pixelclip
