#pragma once

#include <torch/types.h>

#include <cstdint>
#include <vector>

#include "modeling/sample.hpp"

namespace pixelclip {

/// The masks of several images, those of the first image first. Masks stay bits until they are
/// multiplied: eight times, in float32 32 times smaller.
struct MaskBatch {
  torch::Tensor bits;           ///< [N, H, ceil(W / 8)] uint8, the most significant bit first
  int64_t width = 0;            ///< W
  std::vector<int64_t> counts;  ///< masks of each image; their sum is N
  torch::Tensor areas;          ///< [N] float: cells of each mask
  torch::Tensor image;          ///< [N] int64: index of the image
  torch::Tensor slot;           ///< [N] int64: image · most() + index among the image's masks

  int64_t images() const { return static_cast<int64_t>(counts.size()); }
  int64_t size() const { return bits.size(0); }
  /// The largest number of masks of an image.
  int64_t most() const;
  /// The bits of the first image.
  torch::Tensor first() const { return bits.slice(0, 0, counts.front()); }
};

/// A training batch on the device that computes.
struct DeviceBatch {
  torch::Tensor images;  ///< [B, 3, H, W] uint8, in the upper left of the batch's frame
  torch::Tensor strong;  ///< the same, strongly augmented; `images` themselves where that is off
  torch::Tensor sizes;   ///< [2, B] int64: height and width of each; undefined: all are H × W
  MaskBatch masks;

  /// All of the above; some may be undefined.
  std::vector<torch::Tensor> tensors() const {
    return {images, strong, sizes, masks.bits, masks.areas, masks.image, masks.slot};
  }
};

struct MaskLimits {
  int64_t width = 0;  ///< W of the mask grid
  int64_t most = 0;   ///< masks kept of an image; 0: all
};

/// Copies `batch` to `device`: images and masks once each, from pinned memory and non-blocking
/// where the device is a GPU. Masks of fewer than two cells are left out. Masks on the host are
/// chosen there; for masks on a GPU (MODEL.DINO) the host waits once for their areas.
DeviceBatch to_device(const TrainBatch& batch, torch::Device device, const MaskLimits& limits);

}  // namespace pixelclip
