#include <ATen/cuda/CUDAContextLight.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAFunctions.h>

#include <iomanip>
#include <sstream>

#include "dist/gpu.hpp"

namespace pixelclip {

int64_t peak_gpu_memory(torch::Device device) {
  if (!device.is_cuda()) return 0;
  const auto stats = c10::cuda::CUDACachingAllocator::getDeviceStats(device.index());
  return stats.allocated_bytes[0].peak;  // of all pools together
}

std::string gpu_address(torch::Device device) {
  if (device.index() >= c10::cuda::device_count()) return device.str();
  const auto* properties = at::cuda::getDeviceProperties(device.index());
  std::ostringstream out;
  out << std::hex << std::setfill('0') << std::setw(4) << properties->pciDomainID << ':'
      << std::setw(2) << properties->pciBusID << ':' << std::setw(2) << properties->pciDeviceID;
  return out.str();
}

}  // namespace pixelclip
