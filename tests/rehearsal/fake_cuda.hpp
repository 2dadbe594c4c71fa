#pragma once

#include <torch/types.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

/// A CUDA device in host memory. The CPU's kernels do its work; is_cuda(), device guards, autocast,
/// streams, events, generators, pinned memory and copies behave as on a GPU. Two devices exist.
/// A program that contains these sources links libtorch_cpu and libc10 alone.
namespace pixelclip::fake_cuda {

constexpr int kDevices = 2;

/// What a process has asked of its devices.
struct Counts {
  int64_t operations = 0;  ///< about one kernel launch each; foreach and fused ones count once
  int64_t synchronisations = 0;  ///< the host waited: of them
  int64_t reads = 0;             ///<   item(), nonzero and others whose result the host needs
  int64_t blocking_to_host = 0, blocking_to_device = 0;  ///<   copies, those of pageable memory
  int64_t waits = 0;                                     ///<   of a device, stream or event
  int64_t to_host = 0, to_device = 0, bytes_to_host = 0, bytes_to_device = 0;  ///< copies
  int64_t allocations = 0, allocated = 0, peak = 0;                            ///< blocks, bytes
  int64_t largest_float = 0;  ///< numbers in the largest float32 result
  std::map<std::string, int64_t> by_name;
};

Counts counts();
/// Sets all counts to zero; the peak begins at what is allocated now.
void reset_counts();

/// Errors of the program that a GPU would not report: a pinned source that changed before its copy
/// to the device had happened, an event recorded on another device's stream.
std::vector<std::string> violations();

/// Devices on which this process has a context.
std::vector<int> contexts();

/// The largest number of bytes that tensors on `device` have taken.
int64_t peak_memory(int device);

}  // namespace pixelclip::fake_cuda
