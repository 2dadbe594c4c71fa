#pragma once

// Hot loops are compiled for several instruction sets, one of which is chosen when the program
// starts, so that a program built on one machine runs on others at full speed. All give the same
// numbers, since products and sums are not fused (-ffp-contract=off).

/// Compiles a function for three levels of x86-64. This includes the functions that it calls only
/// if they are inlined.
#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define PIXELCLIP_CLONES [[gnu::target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")]]
#else
#define PIXELCLIP_CLONES
#endif

/// For the functions that clones call.
#define PIXELCLIP_INLINE [[gnu::always_inline]] inline

#ifdef __x86_64__
#include <immintrin.h>

/// For functions that are written for x86-64-v3 (AVX2 and fused multiplication); they are called
/// where has_v3().
#define PIXELCLIP_V3 [[gnu::target("arch=x86-64-v3")]]

namespace pixelclip {

inline bool has_v3() {
#ifdef __clang__  // does not know the level by its name
  static const bool has = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                          __builtin_cpu_supports("bmi2");
#else
  static const bool has = __builtin_cpu_supports("x86-64-v3") != 0;
#endif
  return has;
}

}  // namespace pixelclip
#endif
