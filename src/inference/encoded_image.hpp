#pragma once

#include <torch/types.h>

#include <vector>

namespace pixelclip {

/// An image after the encoder, ready to be scored with any words.
struct EncodedImage {
  /// One encoded view: `features` [h, w, C] not normalised; it covers kScoreGrid × kScoreGrid cells
  /// from (row, column).
  struct Window {
    int64_t row = 0, column = 0;
    torch::Tensor features;
    torch::Tensor norms;  ///< [kScoreGrid, kScoreGrid] lengths of the features in these cells.
  };
  int64_t height = 0, width = 0;  ///< Of the image, pixels.
  int64_t rows = 0, columns = 0;  ///< Cells that the image is divided into.
  std::vector<Window> windows;
};

}  // namespace pixelclip
