#pragma once

#include <torch/csrc/distributed/c10d/Backend.hpp>

#include "dist/store.hpp"

namespace pixelclip {

/// NCCL among the ranks, for tensors on GPUs; `device` is this rank's. Chosen by file: a build
/// without CUDA throws here.
c10::intrusive_ptr<c10d::Backend> make_nccl(const StorePtr& store, const WorldInfo& world,
                                            c10::Device device, Milliseconds time_limit);

}  // namespace pixelclip
