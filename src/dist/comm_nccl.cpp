#include <c10/cuda/CUDAFunctions.h>

#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>

#include "base/error.hpp"
#include "dist/nccl.hpp"

namespace pixelclip {

c10::intrusive_ptr<c10d::Backend> make_nccl(const StorePtr& store, const WorldInfo& world,
                                            c10::Device device, Milliseconds time_limit) {
  const int count = c10::cuda::device_count();
  const int index = device.has_index() ? device.index() : world.local_rank;
  if (index >= count) {
    fail("rank ", world.rank, " is to use GPU ", index, " but this machine shows ", count,
         "; start at most ", count, " processes here (--num-gpus), or check CUDA_VISIBLE_DEVICES");
  }
  c10::cuda::set_device(static_cast<c10::DeviceIndex>(index));
  auto options = c10d::ProcessGroupNCCL::Options::create();
  // The watch of this program ends the run first, with a message that names the operation.
  options->timeout = time_limit + std::chrono::minutes(1);
  return c10::make_intrusive<c10d::ProcessGroupNCCL>(store, world.rank, world.world_size, options);
}

}  // namespace pixelclip
