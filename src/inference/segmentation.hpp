#pragma once

#include <torch/types.h>

#include <string>
#include <vector>

#include "image/image.hpp"
#include "image/rle.hpp"
#include "inference/encoded_image.hpp"
#include "inference/words.hpp"

namespace pixelclip {

struct Segmentation {
  std::vector<std::string> names;  ///< As in Words.
  torch::Tensor scores;            ///< [names, rows, columns] cosines on the cells, on the CPU.
  LabelMap labels;                 ///< Positions in `names`, at the image's size.
};

/// One class's share of an image.
struct Region {
  int32_t id = 0;
  int64_t area = 0;  ///< pixels
  /// Mean cosine of the class over the cells whose middle it won, else its best cell.
  double score = 0;
  Rle mask;
};

/// Cosines of all words on the image's cells, [names, rows, columns], on the device of the
/// features; the background's are the best of its words, or its threshold.
torch::Tensor score_words(const EncodedImage& image, const Words& words);

/// Labels each pixel with the best word, on the device of the features. `threads` of a CPU; 0: all
/// cores.
Segmentation segment(const EncodedImage& image, const Words& words, int threads = 0);

/// The classes that occur, by id.
std::vector<Region> regions(const Segmentation& segmentation);

}  // namespace pixelclip
