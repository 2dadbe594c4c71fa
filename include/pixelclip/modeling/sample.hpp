#pragma once

#include <torch/types.h>

#include <string>
#include <vector>

namespace pixelclip {

/// One training picture as the loader delivers it.
struct TrainSample {
  torch::Tensor image;         // [3, H, W] uint8 RGB: the weakly augmented crop, what the teacher sees
  torch::Tensor image_strong;  // [3, H, W] uint8, or undefined when INPUT.STRONG_AUG is off
  torch::Tensor mask_bits;     // [M, Hm, ceil(Wm / 8)] uint8 on the MASK_RESOLUTION grid, MSB first
  std::string file_name;
  int64_t masks_left_out = 0,
          crowds_left_out = 0;    ///< annotations without a usable mask, crowd regions
  std::string why_left_out = {};  ///< of the first without a usable mask
};
using TrainBatch = std::vector<TrainSample>;

}  // namespace pixelclip
