#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "image/image.hpp"

/// Samples masks from run lengths: resize, crop, flip, padding and sampling are composed into one
/// index map per axis, which is applied to the runs.
namespace pixelclip {

/// Where each output index of one axis comes from: an index into the source, or −1 for background.
/// Each step below maps further and returns *this, so that a chain reads in the order of the
/// reference: AxisMap(750).resize(1024).crop(100, 640).flip().pad(640).sample(256).
class AxisMap {
 public:
  /// The identity on `source_size` indices.
  explicit AxisMap(int64_t source_size);
  /// The identity again, keeping the memory.
  AxisMap& reset(int64_t source_size);

  /// Pillow's nearest resize: floor((i + ½) · in / out), accumulated in double precision as in
  /// Pillow.
  AxisMap& resize(int64_t size);
  /// Indices [begin, begin + count); what lies outside becomes background.
  AxisMap& crop(int64_t begin, int64_t count);
  AxisMap& flip();
  /// Appends background up to `size` indices; does nothing if already that long.
  AxisMap& pad(int64_t size);
  /// torch's nearest interpolation: floor(i · in / out), the scale in single precision.
  AxisMap& sample(int64_t size);

  int64_t source_size() const { return source_size_; }
  int64_t size() const { return static_cast<int64_t>(source_.size()); }
  std::span<const int32_t> source() const { return source_; }

 private:
  int64_t source_size_ = 0;
  std::vector<int32_t> source_, previous_;
};

/// The cells of a grid_height × grid_width grid whose sampled pixel (AxisMap::sample of an image
/// of height × width) lies in `cut`.
Rect covered_cells(const Rect& cut, int64_t height, int64_t width, int64_t grid_height,
                   int64_t grid_width);

/// Converts runs to bits. Prepared once per sample, used for each of its masks without allocating
/// memory. Use one per thread.
class MaskSampler {
 public:
  /// `rows` and `columns` map the output grid to the masks' source; cells of `cut` stay empty.
  void prepare(const AxisMap& rows, const AxisMap& columns, const Rect& cut = {});

  int64_t height() const { return height_; }
  int64_t width() const { return width_; }
  /// Bytes of one row of bits.
  int64_t row_bytes() const { return (width_ + 7) / 8; }

  /// Writes height() rows of row_bytes() bytes, each `row_stride` bytes after the last (most
  /// significant bit first, spare bits 0), and returns the number of ones. `counts` must be runs of
  /// the source's size (parse_rle, check_rle). Cost: the runs, and the non-empty part of the grid.
  int64_t sample(std::span<const uint32_t> counts, uint8_t* bits, int64_t row_stride);

  /// The number of ones alone.
  int64_t area(std::span<const uint32_t> counts) const;

 private:
  struct Column {
    uint32_t start;  // of its source column within the runs
    int32_t out;
  };

  void prepare_rows(std::span<const int32_t> source);
  template <typename Visit>
  void visit_runs(std::span<const uint32_t> counts, const Visit& visit) const;
  int64_t emit_block(int64_t by, int64_t bx, uint8_t* bits, int64_t row_stride);

  int64_t height_ = 0, width_ = 0, source_height_ = 0, source_width_ = 0;
  bool rows_reversed_ = false;
  Rect cut_;
  std::vector<Column> columns_;     // by rising source column, background left out
  std::vector<int32_t> first_row_;  // [source_height + 1]: output rows whose source lies above
  int64_t block_rows_ = 0, block_columns_ = 0;
  std::vector<uint64_t> grid_;    // blocks of 64 columns of 64 bits, all 0 between two masks
  std::vector<uint8_t> touched_;  // the blocks that hold a one
};

}  // namespace pixelclip
