#include <c10/cuda/CUDACachingAllocator.h>

#include "dist/gpu_memory.hpp"

namespace pixelclip {

int64_t peak_gpu_memory(torch::Device device) {
  if (!device.is_cuda()) return 0;
  const auto stats = c10::cuda::CUDACachingAllocator::getDeviceStats(device.index());
  return stats.allocated_bytes[0].peak;  // of all pools together
}

}  // namespace pixelclip
