#pragma once

#include <torch/types.h>

#include <functional>

namespace pixelclip {

/// Runs `task`, which computes on `device`. On a CPU it runs with two threads of LibTorch, whatever
/// the calling thread has: some small operations (resizing an image, products of few rows) round
/// differently for each number of threads, and this way their results are the same on all machines
/// and all threads. One thread of the process, started when it is first needed, runs all of these
/// tasks; a task must not call this function.
void run_with_two_threads(const torch::Device& device, const std::function<void()>& task);

}  // namespace pixelclip
