#pragma once

#include <c10/core/Allocator.h>
#include <c10/core/Stream.h>

#include <functional>

#include "rehearsal/fake_cuda.hpp"

/// What the parts of the fake device share.
namespace pixelclip::fake_cuda {

c10::Allocator& device_allocator();
c10::Allocator& pinned_allocator();
bool is_pinned(const void* address);

/// Device memory that `owner` holds; it is poisoned when the last tensor on it ends.
c10::DataPtr adopt(const at::Tensor& owner, c10::DeviceIndex device);

c10::DeviceIndex current_device();
c10::Stream current_stream(c10::DeviceIndex device);
/// A context exists on `device` from now on.
void touch(c10::DeviceIndex device);

/// The CPU's generator that stands for the device's own one.
at::Generator host_generator(const std::optional<at::Generator>& generator,
                             c10::DeviceIndex device);

/// A copy that the stream has not made yet; `complete` runs when the host waits for it. `there` is
/// the device memory that it fills; undefined: none.
void enqueue(c10::Stream stream, std::function<void()> complete, const at::Tensor& there = {});
/// An operation of the current stream reads or writes `tensor`.
void check_arrived(const at::Tensor& tensor);
/// The host waits for what `device` was given so far.
void wait_for_device(c10::DeviceIndex device);
/// The host waits for what the device's current stream was given so far.
void wait_for_stream(c10::Stream stream);

void count_operation(const std::string& name);
void count_read(const std::string& name, c10::DeviceIndex device);
void count_copy(bool to_host, int64_t bytes, bool blocking);
void count_result(const at::Tensor& tensor);
void report_violation(const std::string& text);

}  // namespace pixelclip::fake_cuda
