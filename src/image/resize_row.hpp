#pragma once

#include <cstdint>
#include <vector>

namespace pixelclip {

inline constexpr int kBits = 22;  // of a coefficient's fraction, as in Pillow

/// The outputs [first, first + count) of one axis: output i is the weighted sum of the source
/// pixels from begin[i] on, `taps` weights each (0 where fewer are needed).
struct AxisWeights {
  int64_t taps = 0;
  std::vector<int32_t> begin;
  std::vector<int32_t> weights;

  const int32_t* weight(int64_t i) const { return weights.data() + i * taps; }
};

/// The horizontal pass of a resize, row by row. Reuses its memory.
class RowResizer {
 public:
  /// Bytes that may be read beyond a source row and written beyond a result row.
  static constexpr int64_t kSpare = 32;

  /// For rows of 1 or 3 channels; `axis` must outlive this object.
  void prepare(const AxisWeights& axis, int64_t count, int64_t channels);
  void run(const uint8_t* in, uint8_t* out);

 private:
  void run_grey(const uint8_t* in, uint8_t* out) const;
  void run_plain(const uint8_t* in, uint8_t* out);
  void prepare_plain();
  void prepare_fast();
  void run_fast(const uint8_t* in, uint8_t* out) const;

  const AxisWeights* axis_ = nullptr;
  int64_t count_ = 0, channels_ = 0;
  bool fast_ = false;
  // Plain: pixels of four bytes, the last of them unused, so that the arithmetic runs over arrays.
  std::vector<int32_t> plain_weights_, sums_;  // [taps][count · 4], [count · 4]
  std::vector<uint8_t> pixels_, result_;       // [taps][count · 4], [count · 4]
  // Fast: eight pixels at a time, their taps in pairs.
  int64_t pairs_ = 0, groups_ = 0;
  std::vector<int32_t> offsets_;   // [groups · 8]
  std::vector<uint32_t> weights_;  // [groups · 4][pairs][high, low][2 pixels · 4 lanes]
};

}  // namespace pixelclip
