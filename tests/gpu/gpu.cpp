#include "gpu/gpu.hpp"

#include "nn/device.hpp"

namespace pixelclip::testing {

int gpus() { return device().starts_with("cuda") ? gpu_count() : 0; }

std::string last_gpu() { return gpus() > 1 ? str("cuda:", gpus() - 1) : device(); }

}  // namespace pixelclip::testing
