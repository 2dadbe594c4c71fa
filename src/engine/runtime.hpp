#pragma once

#include <filesystem>

#include "config/enumerations.hpp"
#include "dist/world.hpp"
#include "nn/device.hpp"

/// What holds for the whole process is set here and nowhere else: docs/architecture.md lists it.
namespace pixelclip::runtime {

/// First in main: signals ask for a clean stop and end what is late, child processes can be waited
/// for, and LibTorch puts large tensors in huge pages.
void start_process();

/// The log of one rank; rank 0 also appends it to `folder`/log.txt.
void set_up_log(const std::filesystem::path& folder, int rank);

/// For commands that compute: TF32 on GPUs as FLOAT32_PRECISION says (the default allows it),
/// cuDNN's search as CUDNN_BENCHMARK says, deterministic algorithms as DETERMINISTIC says.
void set_up_gpu_math(MatmulPrecision precision = MatmulPrecision::unset,
                     bool cudnn_benchmark = false, bool deterministic = false);

/// For one of `processes` that train or score on this machine: its share of the cores, and freed
/// memory that is kept.
void set_up_torch(int processes = 1);

/// The device `name` (as MODEL.DEVICE) of a process, where `gpus` can be used: "cuda" is the GPU of
/// its local rank. One process without a GPU computes on the CPU, with a warning. Errors: several
/// processes without a GPU, a GPU that does not exist, one GPU for several processes.
c10::Device pick_device(const std::string& name, const WorldInfo& world = {},
                        int gpus = gpu_count());

}  // namespace pixelclip::runtime
