#include "nn/device.hpp"

#include <c10/core/impl/VirtualGuardImpl.h>
#include <torch/cuda.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <regex>

#include "base/device_name.hpp"
#include "base/error.hpp"

namespace pixelclip {
namespace {

/// The major version of the oldest NVIDIA driver that runs CUDA `major`.
int oldest_driver(int major) { return major >= 13 ? 580 : major == 12 ? 525 : 450; }

}  // namespace

int gpu_count() {
  return torch::cuda::is_available() ? static_cast<int>(torch::cuda::device_count()) : 0;
}

std::string driver_fault(const std::string& version_file, int cuda_major) {
  static const std::regex pattern("Kernel Module.*?\\s(\\d+)(\\.[\\d.]+)");
  if (version_file.empty()) return "no NVIDIA driver is loaded";
  std::smatch found;
  if (!std::regex_search(version_file, found, pattern)) return "";
  const int needed = oldest_driver(cuda_major);
  if (std::stoi(found[1]) >= needed) return "";
  return str("the NVIDIA driver ", found[1].str(), found[2].str(), " is too old for CUDA ",
             cuda_major, ", which needs ", needed,
             " or newer: update it, or build with a LibTorch for an older CUDA "
             "(cmake -DPIXELCLIP_TORCH_DIR=FOLDER)");
}

std::string missing_gpu_reason() {
#ifdef PIXELCLIP_CUDA_MAJOR
  if (const char* visible = std::getenv("CUDA_VISIBLE_DEVICES")) {
    if (!*visible || *visible == '-') return "CUDA_VISIBLE_DEVICES hides all GPUs";
  }
  std::ifstream file("/proc/driver/nvidia/version");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  const std::string fault = driver_fault(text, PIXELCLIP_CUDA_MAJOR);
  return fault.empty() ? "no GPU can be used here" : fault;
#else
  return "this build has no CUDA";
#endif
}

c10::Device find_device(const std::string& name) {
  const int count = gpu_count();
  const auto parsed = parse_device_name(name == "auto" ? count > 0 ? "cuda" : "cpu" : name);
  if (!parsed) fail("unknown device ", printable(name), ": expected auto, cpu, cuda or cuda:N");
  if (!parsed->gpu) return c10::kCPU;
  if (count == 0)
    fail(ErrorKind::unavailable, "the device ", name, " cannot be used: ", missing_gpu_reason());
  const int index = parsed->index.value_or(0);
  if (index >= count) {
    fail(ErrorKind::unavailable, "the device ", name, " does not exist: this process sees ", count,
         count == 1 ? " GPU, cuda:0" : str(" GPUs, cuda:0 to cuda:", count - 1));
  }
  return {c10::kCUDA, static_cast<c10::DeviceIndex>(index)};
}

void set_current_device(const c10::Device& device) {
  if (device.is_cuda()) c10::impl::VirtualGuardImpl(device.type()).setDevice(device);
}

}  // namespace pixelclip
