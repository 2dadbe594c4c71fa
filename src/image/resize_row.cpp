#include "image/resize_row.hpp"

#include <algorithm>
#include <cstring>

#include "base/instruction_sets.hpp"
#include "image/weigh.hpp"

namespace pixelclip {
namespace {

constexpr int32_t kHalf = 1 << (kBits - 1);
constexpr int64_t kMostFastTaps = 5;  // what 16 bytes hold

#ifdef PIXELCLIP_V3
bool can_be_fast() { return has_v3(); }

/// Two results as 32-bit numbers: red, green, blue, nothing.
PIXELCLIP_V3 __m256i two_pixels(const uint8_t* first, const uint8_t* second,
                                const uint32_t* weights, int64_t pairs) {
  const __m256i bytes = _mm256_loadu2_m128i(reinterpret_cast<const __m128i*>(second),
                                            reinterpret_cast<const __m128i*>(first));
  const __m256i two_on =
      _mm256_broadcastsi128_si256(_mm_setr_epi8(6, 0, 6, 0, 6, 0, 6, 0, 6, 0, 6, 0, 0, 0, 0, 0));
  __m256i neighbours = _mm256_broadcastsi128_si256(
      _mm_setr_epi8(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1));
  weigh::Eight sums;
  for (int64_t p = 0; p < pairs; ++p, weights += 16) {
    sums.add(_mm256_shuffle_epi8(bytes, neighbours),
             _mm256_loadu_si256(reinterpret_cast<const __m256i*>(weights)),
             _mm256_loadu_si256(reinterpret_cast<const __m256i*>(weights + 8)));
    neighbours = _mm256_add_epi8(neighbours, two_on);
  }
  return sums.rounded<kBits>();
}
#else
bool can_be_fast() { return false; }
#endif

}  // namespace

void RowResizer::prepare(const AxisWeights& axis, int64_t count, int64_t channels) {
  axis_ = &axis;
  count_ = count;
  channels_ = channels;
  fast_ = can_be_fast() && axis.taps <= kMostFastTaps;
  if (channels != 3) return;
  if (fast_)
    prepare_fast();
  else
    prepare_plain();
}

void RowResizer::run_grey(const uint8_t* in, uint8_t* out) const {
  for (int64_t o = 0; o < count_; ++o) {
    int32_t sum = kHalf;
    for (int64_t k = 0; k < axis_->taps; ++k) sum += in[axis_->begin[o] + k] * axis_->weight(o)[k];
    out[o] = static_cast<uint8_t>(sum >> kBits);
  }
}

void RowResizer::prepare_plain() {
  const int64_t lanes = count_ * 4;
  plain_weights_.resize(axis_->taps * lanes);
  pixels_.resize(axis_->taps * lanes);
  sums_.resize(lanes);
  result_.resize(lanes);
  for (int64_t k = 0; k < axis_->taps; ++k) {
    for (int64_t o = 0; o < count_; ++o) {
      std::fill_n(plain_weights_.data() + k * lanes + o * 4, 4, axis_->weight(o)[k]);
    }
  }
}

PIXELCLIP_CLONES void RowResizer::run_plain(const uint8_t* in, uint8_t* out) {
  const int64_t lanes = count_ * 4;
  for (int64_t k = 0; k < axis_->taps; ++k) {
    uint8_t* to = pixels_.data() + k * lanes;
    for (int64_t o = 0; o < count_; ++o) {
      std::memcpy(to + 4 * o, in + (axis_->begin[o] + k) * 3, 4);
    }
  }
  const uint8_t* const p = pixels_.data();
  const int32_t* const w = plain_weights_.data();
  int32_t* __restrict sums = sums_.data();
  for (int64_t i = 0; i < lanes; ++i) sums[i] = kHalf;
  for (int64_t k = 0; k < axis_->taps; ++k) {
    for (int64_t i = 0; i < lanes; ++i) sums[i] += p[k * lanes + i] * w[k * lanes + i];
  }
  for (int64_t i = 0; i < lanes; ++i) result_[i] = static_cast<uint8_t>(sums[i] >> kBits);
  for (int64_t o = 0; o < count_; ++o) std::memcpy(out + 3 * o, result_.data() + 4 * o, 4);
}

void RowResizer::prepare_fast() {
  pairs_ = (axis_->taps + 1) / 2;
  groups_ = (count_ + 7) / 8;
  offsets_.resize(groups_ * 8);
  weights_.assign(groups_ * 4 * pairs_ * 16, 0);
  for (int64_t o = 0; o < groups_ * 8; ++o) {
    const int64_t i = std::min(o, count_ - 1);  // those behind the last fill a group
    offsets_[o] = axis_->begin[i] * 3;
    for (int64_t k = 0; k < axis_->taps; ++k) {
      const auto weight = static_cast<uint32_t>(axis_->weight(i)[k]);
      uint32_t* high = weights_.data() + (o / 2 * pairs_ + k / 2) * 16 + o % 2 * 4;
      for (int lane = 0; lane < 4; ++lane) {
        high[lane] |= weight >> 12 << (k % 2 * 16);
        high[lane + 8] |= (weight & 0xFFF) << (k % 2 * 16);
      }
    }
  }
}

#ifdef PIXELCLIP_V3
PIXELCLIP_V3 void RowResizer::run_fast(const uint8_t* in, uint8_t* out) const {
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  const __m256i drop_fourth = _mm256_broadcastsi128_si256(
      _mm_setr_epi8(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1));
  const int32_t* at = offsets_.data();
  const uint32_t* weights = weights_.data();
  for (int64_t group = 0; group < groups_; ++group, out += 24) {
    __m256i two[4];
    for (__m256i& pixels : two) {
      pixels = two_pixels(in + at[0], in + at[1], weights, pairs_);
      at += 2;
      weights += pairs_ * 16;
    }
    __m256i bytes = _mm256_packus_epi16(_mm256_packus_epi32(two[0], two[1]),
                                        _mm256_packus_epi32(two[2], two[3]));
    bytes = _mm256_shuffle_epi8(_mm256_permutevar8x32_epi32(bytes, order), drop_fourth);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out), _mm256_castsi256_si128(bytes));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + 12), _mm256_extracti128_si256(bytes, 1));
  }
}
#else
void RowResizer::run_fast(const uint8_t*, uint8_t*) const {}
#endif

void RowResizer::run(const uint8_t* in, uint8_t* out) {
  if (channels_ != 3) return run_grey(in, out);
  if (fast_)
    run_fast(in, out);
  else
    run_plain(in, out);
}

}  // namespace pixelclip
