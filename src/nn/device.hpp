#pragma once

#include <c10/core/Device.h>

#include <string>

namespace pixelclip {

/// GPUs that this process can use.
int gpu_count();

/// Why there is none: a build without CUDA, CUDA_VISIBLE_DEVICES, no driver, or one too old for
/// this LibTorch.
std::string missing_gpu_reason();

/// What is wrong with the NVIDIA driver for a LibTorch of CUDA `cuda_major`; empty when nothing is.
/// `version_file` is the text of /proc/driver/nvidia/version, empty without a driver.
std::string driver_fault(const std::string& version_file, int cuda_major);

/// The device called auto (a GPU where there is one), cpu, cuda (the first GPU) or cuda:N. Errors:
/// another name, a GPU where none can be used, an N that is not below their number.
c10::Device find_device(const std::string& name);

/// Makes a GPU this thread's current one, which is meant where no device is named: events,
/// synchronisation, new contexts. Does nothing for the CPU.
void set_current_device(const c10::Device& device);

}  // namespace pixelclip
