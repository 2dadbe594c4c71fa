#pragma once

#include <torch/types.h>

#include <string>
#include <vector>

#include "clip/dense_encoder.hpp"
#include "config/test_config.hpp"
#include "inference/class_bank.hpp"

namespace pixelclip {

/// Cosines of every pixel of an image with every word, as programs on MMSegmentation compute them
/// (TEST.SCORES pixels): those of each window are enlarged to the window, averaged where windows
/// overlap, and resized to the image, always bilinearly (align_corners = false). Only windows'
/// cosines on the encoder's grid are kept; rows of the image are computed when they are asked for,
/// so that memory does not grow with words times pixels.
class PixelScores {
 public:
  /// `input` [1, 3, h, w] is the resized image, normalised; `height` × `width` the image's own
  /// size; `words` [Q, C] normalised. Windows and padding as TEST.SLIDING_WINDOW says; at most
  /// `batch` windows are encoded at once.
  PixelScores(const DenseEncoder& encoder, const torch::Tensor& input, int64_t height,
              int64_t width, const torch::Tensor& words, const SlidingWindowConfig& windows,
              size_t batch = 1);

  /// Cosines of the image's rows [first, last): [Q, last − first, width].
  torch::Tensor rows(int64_t first, int64_t last) const;
  /// Their mean over windows in rows [first, last) of the resized image: [Q, last − first, w].
  torch::Tensor resized_rows(int64_t first, int64_t last) const;

  int64_t words() const { return words_; }
  int64_t height() const { return height_; }
  int64_t width() const { return width_; }
  int64_t resized_height() const { return resized_height_; }

 private:
  /// A window of the resized image, and its cosines on the encoder's grid.
  struct Window {
    int64_t top = 0, left = 0, height = 0, width = 0;
    int64_t above = 0, before = 0;                ///< padding
    int64_t padded_height = 0, padded_width = 0;  ///< of what is encoded
    torch::Tensor cosines = {};                   ///< [Q, h, w]
  };

  int64_t words_, height_, width_, resized_height_, resized_width_;
  std::vector<Window> windows_;
};

/// The class of each pixel [height, width] int32: of the word whose cosine is the largest. With
/// TEST.BACKGROUND.MODE reject, background wherever the class's probability (softmax over all
/// words, the largest of the class's) is below THRESHOLD; with AREA, classes that are small leave
/// their pixels to others first (SCLIP). With TEST.REFINE, the cosines are refined by PAMR at the
/// image's size first. `input` as above.
torch::Tensor pixel_labels(const PixelScores& scores, const torch::Tensor& input,
                           const ClassBank& bank, const TestConfig& test);

}  // namespace pixelclip
