#include "image/mask_sampler.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/error.hpp"
#include "base/instruction_sets.hpp"

namespace pixelclip {

AxisMap::AxisMap(int64_t source_size) { reset(source_size); }

AxisMap& AxisMap::reset(int64_t source_size) {
  if (source_size < 0 || source_size > std::numeric_limits<int32_t>::max()) {
    fail("an axis of ", source_size, " pixels cannot be mapped");
  }
  source_size_ = source_size;
  source_.resize(source_size);
  for (int64_t i = 0; i < source_size; ++i) source_[i] = static_cast<int32_t>(i);
  return *this;
}

AxisMap& AxisMap::resize(int64_t size) {
  previous_.swap(source_);
  source_.assign(size, -1);
  const auto in = static_cast<int64_t>(previous_.size());
  // Pillow accumulates the step instead of multiplying; if (i + ½) · in / out is an integer, the
  // rounding of that sum decides between two pixels.
  const double step = static_cast<double>(in) / static_cast<double>(size);
  double position = step * 0.5;
  for (int64_t i = 0; i < size; ++i, position += step) {
    const auto index = static_cast<int64_t>(position);
    if (index < in) source_[i] = previous_[index];
  }
  return *this;
}

AxisMap& AxisMap::crop(int64_t begin, int64_t count) {
  previous_.swap(source_);
  source_.assign(count, -1);
  const auto in = static_cast<int64_t>(previous_.size());
  for (int64_t i = std::max<int64_t>(0, -begin); i < std::min(count, in - begin); ++i) {
    source_[i] = previous_[begin + i];
  }
  return *this;
}

AxisMap& AxisMap::flip() {
  std::reverse(source_.begin(), source_.end());
  return *this;
}

AxisMap& AxisMap::pad(int64_t size) {
  if (size > this->size()) source_.resize(size, -1);
  return *this;
}

namespace {

/// torch's source index; the scale is float32, as for float tensors.
int64_t sampled_index(int64_t i, float scale, int64_t in) {
  return std::min(static_cast<int64_t>(std::floor(static_cast<float>(i) * scale)), in - 1);
}

float sampling_scale(int64_t in, int64_t out) {
  return static_cast<float>(in) / static_cast<float>(out);
}

/// The grid indices whose sampled index lies in [begin, begin + count), as {first, number}.
std::pair<int64_t, int64_t> covered_range(int64_t begin, int64_t count, int64_t in, int64_t out) {
  const float scale = sampling_scale(in, out);
  int64_t first = out, number = 0;
  for (int64_t i = 0; i < out && in > 0; ++i) {
    const int64_t index = sampled_index(i, scale, in);
    if (index < begin || index >= begin + count) continue;
    first = std::min(first, i);
    ++number;
  }
  return {number ? first : 0, number};
}

}  // namespace

AxisMap& AxisMap::sample(int64_t size) {
  previous_.swap(source_);
  source_.assign(size, -1);
  const auto in = static_cast<int64_t>(previous_.size());
  const float scale = sampling_scale(in, size);
  for (int64_t i = 0; i < size && in > 0; ++i) {
    source_[i] = previous_[sampled_index(i, scale, in)];
  }
  return *this;
}

Rect covered_cells(const Rect& cut, int64_t height, int64_t width, int64_t grid_height,
                   int64_t grid_width) {
  const auto [x, columns] = covered_range(cut.x, cut.width, width, grid_width);
  const auto [y, rows] = covered_range(cut.y, cut.height, height, grid_height);
  if (columns == 0 || rows == 0) return {};
  return {x, y, columns, rows};
}

void MaskSampler::prepare(const AxisMap& rows, const AxisMap& columns, const Rect& cut) {
  height_ = rows.size();
  width_ = columns.size();
  source_height_ = rows.source_size();
  source_width_ = columns.source_size();
  if (source_width_ > 0 && source_height_ > std::numeric_limits<uint32_t>::max() / source_width_) {
    fail("masks of ", source_height_, " x ", source_width_, " pixels are too large to sample");
  }
  const int64_t left = std::clamp<int64_t>(cut.x, 0, width_);
  const int64_t top = std::clamp<int64_t>(cut.y, 0, height_);
  cut_ = {left, top, std::clamp<int64_t>(cut.x + cut.width, left, width_) - left,
          std::clamp<int64_t>(cut.y + cut.height, top, height_) - top};
  if (cut_.empty()) cut_ = {};

  columns_.clear();
  for (int64_t x = 0; x < width_; ++x) {
    const int32_t source = columns.source()[x];
    if (source < 0) continue;
    columns_.push_back({static_cast<uint32_t>(source * source_height_), static_cast<int32_t>(x)});
  }
  if (!columns_.empty() && columns_.front().start > columns_.back().start) {
    std::reverse(columns_.begin(), columns_.end());
  }
  prepare_rows(rows.source());
  block_columns_ = (width_ + 63) / 64;
  block_rows_ = (height_ + 63) / 64;
  grid_.assign(block_columns_ * block_rows_ * 64, 0);
  touched_.assign(block_columns_ * block_rows_, 0);
}

void MaskSampler::prepare_rows(std::span<const int32_t> source) {
  int32_t first = -1, last = -1;
  for (const int32_t s : source) {
    if (s < 0) continue;
    if (first < 0) first = s;
    last = s;
  }
  rows_reversed_ = first > last;
  // first_row_[r] is the number of leading rows (in unreversed order) whose source is above r;
  // leading background counts as above, trailing background as below.
  first_row_.assign(source_height_ + 1, 0);
  int64_t r = 0;
  int32_t end = 0;
  for (int64_t i = 0; i < height_; ++i) {
    const int32_t s = source[rows_reversed_ ? height_ - 1 - i : i];
    if (s < 0) {
      if (r == 0) end = static_cast<int32_t>(i + 1);
      continue;
    }
    while (r <= s) first_row_[r++] = end;
    end = static_cast<int32_t>(i + 1);
  }
  while (r <= source_height_) first_row_[r++] = end;
}

/// Calls `visit(column, first, last)` for every output column that a run crosses, with the
/// (unreversed) output rows [first, last) of the run.
template <typename Visit>
void MaskSampler::visit_runs(std::span<const uint32_t> counts, const Visit& visit) const {
  const auto height = static_cast<uint32_t>(source_height_);
  const Column* column = columns_.data();
  const Column* const stop = column + columns_.size();
  uint32_t end = 0;
  for (size_t i = 1; i < counts.size() && column != stop; i += 2) {
    const uint32_t begin = end + counts[i - 1];
    end = begin + counts[i];
    if (end <= column->start) continue;
    while (column != stop && column->start + (height - 1) < begin) ++column;
    for (const Column* c = column; c != stop && c->start < end; ++c) {
      const uint32_t from = std::max(begin, c->start) - c->start;
      const uint32_t to = std::min(end - c->start, height);
      const int32_t first = first_row_[from], last = first_row_[to];
      if (first < last) visit(c->out, first, last);
    }
  }
}

namespace {

/// Transposes 64 × 64 bits in place: bit k of word r goes to bit r of word k (Hacker's Delight
/// 7-3).
template <int kStep>
PIXELCLIP_INLINE void swap_blocks(uint64_t* a, uint64_t mask) {
  for (int base = 0; base < 64; base += 2 * kStep) {
    for (int k = base; k < base + kStep; ++k) {
      const uint64_t t = ((a[k] >> kStep) ^ a[k + kStep]) & mask;
      a[k] ^= t << kStep;
      a[k + kStep] ^= t;
    }
  }
}

PIXELCLIP_CLONES void transpose(uint64_t* a) {
  swap_blocks<32>(a, 0x00000000FFFFFFFFull);
  swap_blocks<16>(a, 0x0000FFFF0000FFFFull);
  swap_blocks<8>(a, 0x00FF00FF00FF00FFull);
  swap_blocks<4>(a, 0x0F0F0F0F0F0F0F0Full);
  swap_blocks<2>(a, 0x3333333333333333ull);
  swap_blocks<1>(a, 0x5555555555555555ull);
}

/// Bits [first, last) of a word, the least significant first.
uint64_t bits_between(int64_t first, int64_t last) {
  if (first >= last) return 0;
  return (~uint64_t{0} >> (64 - (last - first))) << first;
}

}  // namespace

int64_t MaskSampler::sample(std::span<const uint32_t> counts, uint8_t* bits, int64_t row_stride) {
  visit_runs(counts, [&](int32_t x, int32_t first, int32_t last) {
    // Columns start at the most significant bit, so that a transposed word is an output row.
    const int64_t slot = (x >> 6) * 64 + (63 - (x & 63));
    for (int64_t word = first >> 6; word <= (last - 1) >> 6; ++word) {
      const int64_t low = std::max<int64_t>(first - word * 64, 0);
      const int64_t high = std::min<int64_t>(last - word * 64, 64);
      grid_[word * block_columns_ * 64 + slot] |= bits_between(low, high);
      touched_[word * block_columns_ + (x >> 6)] = 1;
    }
  });
  int64_t area = 0;
  for (int64_t by = 0; by < block_rows_; ++by) {
    for (int64_t bx = 0; bx < block_columns_; ++bx) area += emit_block(by, bx, bits, row_stride);
  }
  return area;
}

/// Writes one block of 64 × 64 cells and clears it for the next mask; returns its number of ones.
int64_t MaskSampler::emit_block(int64_t by, int64_t bx, uint8_t* bits, int64_t row_stride) {
  const int64_t rows = std::min<int64_t>(64, height_ - by * 64);
  const int64_t bytes = std::min<int64_t>(8, row_bytes() - bx * 8);
  uint8_t& touched = touched_[by * block_columns_ + bx];
  uint64_t* block = grid_.data() + (by * block_columns_ + bx) * 64;
  if (touched) transpose(block);
  const uint64_t cut = bits_between(64 - std::clamp<int64_t>(cut_.x + cut_.width - bx * 64, 0, 64),
                                    64 - std::clamp<int64_t>(cut_.x - bx * 64, 0, 64));
  int64_t area = 0;
  for (int64_t r = 0; r < rows; ++r) {
    const int64_t y = rows_reversed_ ? height_ - 1 - (by * 64 + r) : by * 64 + r;
    uint8_t* out = bits + y * row_stride + bx * 8;
    uint64_t word = 0;
    if (touched) {
      word = block[r];
      if (y >= cut_.y && y < cut_.y + cut_.height) word &= ~cut;
      area += std::popcount(word);
      word = __builtin_bswap64(word);
    }
    if (bytes == 8) {
      std::memcpy(out, &word, 8);
    } else {
      std::memcpy(out, &word, bytes);
    }
  }
  if (touched) std::fill(block, block + 64, 0);
  touched = 0;
  return area;
}

int64_t MaskSampler::area(std::span<const uint32_t> counts) const {
  const int64_t cut_top = rows_reversed_ ? height_ - cut_.y - cut_.height : cut_.y;
  int64_t area = 0;
  visit_runs(counts, [&](int64_t x, int64_t first, int64_t last) {
    area += last - first;
    if (x < cut_.x || x >= cut_.x + cut_.width) return;
    const int64_t hidden = std::min(last, cut_top + cut_.height) - std::max(first, cut_top);
    area -= std::max<int64_t>(hidden, 0);
  });
  return area;
}

}  // namespace pixelclip
