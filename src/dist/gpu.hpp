#pragma once

#include <torch/types.h>

#include <cstdint>
#include <string>

namespace pixelclip {

/// The most bytes that tensors on `device` have taken so far; 0 for the CPU.
int64_t peak_gpu_memory(torch::Device device);

/// Where the GPU sits in this machine, alike in all its processes whatever number each gives it:
/// its PCI address; in a build without CUDA its name.
std::string gpu_address(torch::Device device);

}  // namespace pixelclip
