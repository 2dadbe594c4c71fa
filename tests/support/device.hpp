#pragma once

#include <cstdlib>

#include "support/tensors.hpp"

namespace pixelclip::testing {

/// The device of tests that compute on one as on another: $PIXELCLIP_TEST_DEVICE, default cpu.
inline std::string device() {
  const char* named = std::getenv("PIXELCLIP_TEST_DEVICE");
  return named ? named : "cpu";
}
inline torch::Device test_device() {
  const torch::Device named(device());
  return named.is_cuda() && !named.has_index() ? torch::Device(torch::kCUDA, 0) : named;
}

/// A tensor of the host on that device. Tests make their numbers on the host, so that they are the
/// same for every device.
inline torch::Tensor on_device(const torch::Tensor& tensor) { return tensor.to(test_device()); }

/// A relative tolerance of numbers that a CPU computed: `cpu`, or on a GPU, which adds in another
/// order, ten times as much.
inline double within(double cpu) { return test_device().is_cpu() ? cpu : 10 * cpu; }

/// Succeeds where both are equal: bit for bit on the CPU; within 1e-5 of the largest number on a
/// GPU, which may choose another kernel each time.
inline ::testing::AssertionResult same(const torch::Tensor& actual, const torch::Tensor& expected) {
  return close(actual, expected, test_device().is_cpu() ? 0 : 1e-5);
}

/// The folder of configs/ and tests/golden/: $PIXELCLIP_TEST_FILES, default the source tree.
inline fs::path test_files() {
  const char* named = std::getenv("PIXELCLIP_TEST_FILES");
  return named ? named : PIXELCLIP_SOURCE_DIR;
}

}  // namespace pixelclip::testing
