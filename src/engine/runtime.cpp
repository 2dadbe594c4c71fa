#include "engine/runtime.hpp"

#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <torch/utils.h>

#include <algorithm>
#include <limits>

#include "base/device_name.hpp"
#include "base/error.hpp"
#include "base/log.hpp"
#include "base/parallel.hpp"
#include "base/signal.hpp"

namespace pixelclip::runtime {
namespace {

/// glibc returns large blocks to the system at once. A training step on the CPU that asks for the
/// same hundreds of megabytes again would spend up to a quarter of its time on clearing pages.
void keep_freed_memory() {
#ifdef __GLIBC__
  mallopt(M_MMAP_MAX, 0);
  mallopt(M_TRIM_THRESHOLD, std::numeric_limits<int>::max());
#endif
}

}  // namespace

void start_process() {
  setenv("THP_MEM_ALLOC_ENABLE", "1", /*overwrite=*/0);  // read at LibTorch's first allocation
  signal(SIGCHLD, SIG_DFL);                              // a parent may have set it to be ignored
  signals::end_when_late();
}

void set_up_log(const std::filesystem::path& folder, int rank) {
  log::set_rank(rank);
  if (rank == 0) log::add_file(folder / "log.txt");
}

void set_up_gpu_math(MatmulPrecision precision, bool cudnn_benchmark, bool deterministic) {
  auto& context = at::globalContext();
  context.setFloat32MatmulPrecision(precision == MatmulPrecision::unset ? "high"
                                                                        : to_string(precision));
  context.setAllowTF32CuDNN(precision != MatmulPrecision::highest);
  context.setBenchmarkCuDNN(cudnn_benchmark && !deterministic);
  context.setDeterministicAlgorithms(deterministic, /*warn_only=*/false);
  context.setDeterministicFillUninitializedMemory(false);  // nothing reads it
  context.setDeterministicCuDNN(deterministic);
  // cuBLAS reads it when it starts; without a workspace of its own its sums may change their order.
  if (deterministic) setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", /*overwrite=*/0);
}

void set_up_torch(int processes) {
  at::set_num_threads(std::max(1, available_cores() / std::max(1, processes)));
  keep_freed_memory();
}

c10::Device pick_device(const std::string& name, const WorldInfo& world, int gpus) {
  const auto wanted = parse_device_name(name);
  if (!wanted) fail("MODEL.DEVICE is ", printable(name), "; expected cpu, cuda or cuda:N");
  if (!wanted->gpu) return c10::kCPU;
  if (gpus == 0) {
    if (world.world_size > 1) {
      fail(ErrorKind::unavailable, "MODEL.DEVICE is ", name, ", but ", missing_gpu_reason(),
           "; MODEL.DEVICE cpu runs several processes on the CPU");
    }
    log::warn("MODEL.DEVICE is ", name, ", but ", missing_gpu_reason(),
              ": running on the CPU (MODEL.DEVICE cpu silences this)");
    return c10::kCPU;
  }
  if (!wanted->index) {
    return {c10::kCUDA, static_cast<c10::DeviceIndex>(world.local_rank % gpus)};
  }
  if (*wanted->index >= gpus) {
    fail(ErrorKind::unavailable, "MODEL.DEVICE is ", name, ", but this process sees ", gpus,
         gpus == 1 ? " GPU, cuda:0" : str(" GPUs, cuda:0 to cuda:", gpus - 1));
  }
  if (world.local_world_size > 1) {
    fail("MODEL.DEVICE is ", name, ", which would put all ", world.local_world_size,
         " processes of this machine on one GPU; MODEL.DEVICE cuda gives each its own");
  }
  return {c10::kCUDA, static_cast<c10::DeviceIndex>(*wanted->index)};
}

}  // namespace pixelclip::runtime
