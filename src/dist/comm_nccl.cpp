#include "dist/comm_nccl.hpp"

#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>

namespace pixelclip {

c10::intrusive_ptr<c10d::Backend> make_nccl(const StorePtr& store, const WorldInfo& world,
                                            c10::Device device, Milliseconds time_limit) {
  TORCH_CHECK(device.has_index(), "a rank needs a GPU with a number");
  auto options = c10d::ProcessGroupNCCL::Options::create();
  // The watch of this program ends the run first, with a message that names the operation.
  options->timeout = time_limit + std::chrono::minutes(1);
  return c10::make_intrusive<c10d::ProcessGroupNCCL>(store, world.rank, world.world_size, options);
}

}  // namespace pixelclip
