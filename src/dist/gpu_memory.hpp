#pragma once

#include <torch/types.h>

#include <cstdint>

namespace pixelclip {

/// The most bytes that tensors on `device` have taken so far; 0 for the CPU.
int64_t peak_gpu_memory(torch::Device device);

}  // namespace pixelclip
