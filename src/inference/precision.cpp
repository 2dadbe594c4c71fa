#include "inference/precision.hpp"

#if defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#elif defined(__x86_64__)
#include <cpuid.h>
#endif

#include <mutex>

#include "base/log.hpp"

namespace pixelclip {

#if defined(__x86_64__)
namespace {

/// As __builtin_cpu_supports("avx512fp16"), a name that not every compiler knows.
bool has_avx512_fp16() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (d >> 23 & 1) != 0;
}

}  // namespace
#endif

bool is_emulated(torch::ScalarType type, torch::Device device) {
  if (!device.is_cpu()) return false;
#if defined(__x86_64__)
  if (type == torch::kBFloat16) return !__builtin_cpu_supports("avx512bf16");
  if (type == torch::kHalf) return !has_avx512_fp16();
#elif defined(__aarch64__) && defined(HWCAP2_BF16)
  if (type == torch::kBFloat16) return (getauxval(AT_HWCAP2) & HWCAP2_BF16) == 0;
#endif
  return false;
}

void warn_of_emulation(const std::string& setting, const std::string& way_out) {
  static std::once_flag said;
  std::call_once(said, [&] {
    log::warn(setting,
              ": this processor has no instructions for it and emulates them, about ten times "
              "slower than ",
              "float32; ", way_out, " is faster here");
  });
}

void warn_of_emulation(const AmpConfig& amp, torch::Device device) {
  const auto type = amp.dtype == FloatType::float16 ? torch::kHalf : torch::kBFloat16;
  if (amp.enabled && is_emulated(type, device)) {
    warn_of_emulation(str("SOLVER.AMP.DTYPE ", amp.dtype), "SOLVER.AMP.ENABLED False");
  }
}

void warn_of_emulation(const ModelConfig& model, torch::Device device) {
  if (model.precision == FloatType::bfloat16 && is_emulated(torch::kBFloat16, device)) {
    warn_of_emulation("MODEL.PRECISION bfloat16", "MODEL.PRECISION float32");
  }
}

}  // namespace pixelclip
