#pragma once

#include <cstdint>
#include <functional>

#include "support/device.hpp"
#include "support/program.hpp"

// The tests of this folder compare a GPU with the CPU. gpu_test runs them on
// $PIXELCLIP_TEST_DEVICE, gpu_rehearsal_test on a fake GPU.
namespace pixelclip::testing {

// Each program defines these.

/// Whether the GPU computes with the CPU's kernels, that is, gives its numbers exactly.
extern const bool kFakeGpu;
/// Calls `work` and fails the test where the host waits for the GPU meanwhile.
void without_waiting(const std::function<void()>& work);
/// How often the host waits for the GPU in `work`.
int64_t waits_in(const std::function<void()>& work);
/// Wrong uses of the fake GPU in this process so far; 0 on a GPU.
size_t misuses();
/// Fails the test where a program, whose FAKE_CUDA_REPORT was `folder`, used the fake GPU wrongly.
void expect_proper_use(const fs::path& folder, int rank);
/// The program `pixelclip` for these tests.
std::string program();

/// The number of GPUs of the kind of device(); 0 where that is the CPU.
int gpus();
/// The last of them, or device() where there is one or none.
std::string last_gpu();

}  // namespace pixelclip::testing
