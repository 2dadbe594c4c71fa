#pragma once

#include <array>
#include <cstdint>
#include <cstring>

#include "base/instruction_sets.hpp"

/// Weighted sums of bytes in fixed point, 16 bytes at a time with AVX2. Its 32-bit multiplication
/// is slow, so weights of up to 24 bits are split into two of 12, and one instruction computes two
/// products. The results equal those of 32-bit arithmetic.
namespace pixelclip::weigh {

/// Sums of the bytes at the same position of several rows.
template <size_t kRows>
struct Sum {
  std::array<const uint8_t*, kRows> rows;

  uint32_t one(int64_t i) const {
    uint32_t sum = 0;
    for (const uint8_t* row : rows) sum += row[i];
    return sum;
  }
#ifdef PIXELCLIP_V3
  PIXELCLIP_V3 __m256i sixteen(int64_t i) const {
    __m256i sum = _mm256_setzero_si256();
    for (const uint8_t* row : rows) {
      const auto bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(row + i));
      sum = _mm256_add_epi16(sum, _mm256_cvtepu8_epi16(bytes));
    }
    return sum;
  }
#endif
};

#ifdef PIXELCLIP_V3
/// Two weights for neighbouring 16-bit numbers.
struct Pair {
  __m256i high, low;

  PIXELCLIP_V3 Pair(uint32_t first, uint32_t second)
      : high(_mm256_set1_epi32(static_cast<int32_t>(first >> 12 | second >> 12 << 16))),
        low(_mm256_set1_epi32(static_cast<int32_t>((first & 0xFFF) | (second & 0xFFF) << 16))) {}
};

/// The sums so far, of eight results.
struct Eight {
  __m256i high, low;

  PIXELCLIP_V3 Eight() : high(_mm256_setzero_si256()), low(_mm256_setzero_si256()) {}
  PIXELCLIP_V3 void add(__m256i pairs, __m256i high_weights, __m256i low_weights) {
    high = _mm256_add_epi32(high, _mm256_madd_epi16(pairs, high_weights));
    low = _mm256_add_epi32(low, _mm256_madd_epi16(pairs, low_weights));
  }
  /// (sum + ½) >> bits.
  template <int kBits>
  PIXELCLIP_V3 __m256i rounded() const {
    const __m256i half = _mm256_set1_epi32(1 << (kBits - 1));
    return _mm256_srli_epi32(
        _mm256_add_epi32(high, _mm256_srli_epi32(_mm256_add_epi32(low, half), 12)), kBits - 12);
  }
};

PIXELCLIP_V3 inline void store_bytes(__m256i first, __m256i second, uint8_t* out) {
  const __m256i words = _mm256_packus_epi32(first, second);
  const __m256i bytes = _mm256_permute4x64_epi64(_mm256_packus_epi16(words, words), 0x08);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(out), _mm256_castsi256_si128(bytes));
}

/// two() for the first multiple of 16 results; returns their number.
template <int kBits, class A, class B>
PIXELCLIP_V3 int64_t two_v3(const A& a, uint32_t u, const B& b, uint32_t v, int64_t size,
                            uint8_t* __restrict out) {
  const Pair weights(u, v);
  int64_t i = 0;
  for (; i + 16 <= size; i += 16) {
    const __m256i x = a.sixteen(i), y = b.sixteen(i);
    Eight first, second;
    first.add(_mm256_unpacklo_epi16(x, y), weights.high, weights.low);
    second.add(_mm256_unpackhi_epi16(x, y), weights.high, weights.low);
    store_bytes(first.rounded<kBits>(), second.rounded<kBits>(), out + i);
  }
  return i;
}

/// many() for the first multiple of 16 results; returns their number.
template <int kBits>
PIXELCLIP_V3 int64_t many_v3(const uint8_t* const* rows, const int32_t* weights, int64_t count,
                             int64_t size, uint8_t* __restrict out) {
  int64_t i = 0;
  for (; i + 16 <= size; i += 16) {
    Eight first, second;
    for (int64_t k = 0; k < count; k += 2) {
      const bool pair = k + 1 < count;
      const __m256i x = Sum<1>{rows[k]}.sixteen(i), y = Sum<1>{rows[pair ? k + 1 : k]}.sixteen(i);
      const Pair w(static_cast<uint32_t>(weights[k]),
                   pair ? static_cast<uint32_t>(weights[k + 1]) : 0);
      first.add(_mm256_unpacklo_epi16(x, y), w.high, w.low);
      second.add(_mm256_unpackhi_epi16(x, y), w.high, w.low);
    }
    store_bytes(first.rounded<kBits>(), second.rounded<kBits>(), out + i);
  }
  return i;
}
#endif

/// out[i] = (a(i) · u + b(i) · v + ½) >> bits. The sums are at most 2^15, the results fit in a
/// byte.
template <int kBits, class A, class B>
void two(const A& a, uint32_t u, const B& b, uint32_t v, int64_t size, uint8_t* __restrict out) {
  int64_t i = 0;
#ifdef PIXELCLIP_V3
  if (has_v3()) i = two_v3<kBits>(a, u, b, v, size, out);
#endif
  for (; i < size; ++i) {
    out[i] = static_cast<uint8_t>((a.one(i) * u + b.one(i) * v + (1u << (kBits - 1))) >> kBits);
  }
}

/// out[i] = (Σ rows[k][i] · weights[k] + ½) >> bits.
template <int kBits>
void many(const uint8_t* const* rows, const int32_t* weights, int64_t count, int64_t size,
          uint8_t* __restrict out) {
  if (count == 2) {
    return two<kBits>(Sum<1>{rows[0]}, static_cast<uint32_t>(weights[0]), Sum<1>{rows[1]},
                      static_cast<uint32_t>(weights[1]), size, out);
  }
  int64_t i = 0;
#ifdef PIXELCLIP_V3
  if (has_v3()) i = many_v3<kBits>(rows, weights, count, size, out);
#endif
  for (; i < size; ++i) {
    uint32_t sum = 1u << (kBits - 1);
    for (int64_t k = 0; k < count; ++k) sum += rows[k][i] * static_cast<uint32_t>(weights[k]);
    out[i] = static_cast<uint8_t>(sum >> kBits);
  }
}

}  // namespace pixelclip::weigh
