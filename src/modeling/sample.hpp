#pragma once

#include <torch/types.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "config/keys.hpp"

namespace pixelclip {

/// One training image as the loader delivers it.
struct TrainSample {
  torch::Tensor image;  // [3, H, W] uint8 RGB: the weakly augmented crop, what the teacher sees
  torch::Tensor image_strong;  // [3, H, W] uint8, or undefined when INPUT.STRONG_AUG is off
  torch::Tensor mask_bits;     // [M, Hm, ceil(Wm / 8)] uint8 on the MASK_RESOLUTION grid, MSB first
  std::string file_name;
  Size2 source_size = {0, 0};  // of the image file, before resizing and cropping
  Size2 frame = {
      0, 0};  // pixels the crop is padded to on the right and below; less than the crop: not at all
  bool annotated = true;  // the whole image has a mask, though the crop may have none
  uint64_t seed = 0;      // of what is drawn for this sample later (MODEL.DINO's clusters)
  // The same masks sampled from another frame; empty where no batch can ask for one.
  std::function<torch::Tensor(const Size2& frame)> masks_in = {};
  int64_t masks_left_out = 0,
          crowds_left_out = 0;    ///< annotations without a usable mask, crowd regions
  std::string why_left_out = {};  ///< of the first without a usable mask
};
using TrainBatch = std::vector<TrainSample>;

}  // namespace pixelclip
