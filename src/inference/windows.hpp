#pragma once

#include <torch/types.h>

#include <vector>

namespace pixelclip {

/// Cells a side of the grid on which an image or a window of it is scored (PixelCLIP §3.4).
inline constexpr int64_t kScoreGrid = 64;

/// Where windows of `size` start along `length` ≥ `size`: every `stride`, and one at the end.
std::vector<int64_t> window_starts(int64_t length, int64_t size, int64_t stride);

/// Maps [D, h, w] of windows on a grid [D, height, width], averaged where they overlap.
class WindowMean {
 public:
  WindowMean(int64_t depth, int64_t height, int64_t width, const torch::TensorOptions& options);

  /// `map` covers the cells from (row, column).
  void add(const torch::Tensor& map, int64_t row, int64_t column);
  /// Every cell must be covered.
  torch::Tensor mean() const { return sum_ / count_; }

 private:
  torch::Tensor sum_, count_;
};

}  // namespace pixelclip
