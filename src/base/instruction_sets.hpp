#pragma once

// Hot loops are compiled for several instruction sets and chosen when the program starts, so that a
// program built on one machine runs on others at full speed. Products and sums stay apart
// (-ffp-contract=off): all give the same numbers.

/// Compiles a function for three levels of x86-64. Functions that it calls take part only when they
/// are inlined.
#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define PIXELCLIP_CLONES [[gnu::target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")]]
#else
#define PIXELCLIP_CLONES
#endif

/// For the functions that clones call.
#define PIXELCLIP_INLINE [[gnu::always_inline]] inline

#ifdef __x86_64__
#include <immintrin.h>

/// For functions that use AVX2's intrinsics; they are called where has_avx2().
#define PIXELCLIP_AVX2 [[gnu::target("avx2")]]

namespace pixelclip {

inline bool has_avx2() {
  static const bool has = __builtin_cpu_supports("avx2") != 0;
  return has;
}

}  // namespace pixelclip
#endif
