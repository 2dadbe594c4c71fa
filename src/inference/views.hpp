#pragma once

#include <torch/types.h>

#include <string>
#include <vector>

#include "config/config.hpp"
#include "image/image.hpp"

namespace pixelclip {

/// Whether the encoder sees images in their own shape instead of CLIP_RESOLUTION's.
inline bool keeps_shape(const TestConfig& test) {
  return test.keep_aspect || test.rule == TestRule::mmseg;
}

/// One look at an image.
struct View {
  torch::Tensor image;  ///< uint8 [3, H, W], channels as the model takes them
  Size2 input;          ///< what the encoder sees of it at once, pixels
  bool flip = false;    ///< mirrored before, and the scores mirrored back
  Size2 full = {0, 0};  ///< of the image itself, pixels
};

/// Image [3, H, W] uint8 as the model takes it: RGB or BGR by INPUT.FORMAT.
torch::Tensor to_tensor(const Image& rgb, ChannelOrder format);

/// The views of an image that scoring averages. By default one, resized by MIN_SIZE_TEST and
/// MAX_SIZE_TEST and then to CLIP_RESOLUTION; TEST.AUG adds sizes and mirror images, KEEP_ASPECT
/// and RULE mmseg keep the image's shape, SLIDING_WINDOW keeps it and more of its pixels; SCORES
/// pixels keeps it exactly, with SHORT_SIDE as short side and at most MAX_SIZE_TEST as long one.
std::vector<View> views_of(const Image& rgb, const InputConfig& input, const TestConfig& test,
                           Size2 clip_resolution);

/// The views of several images on their way to a device.
struct ViewBatch {
  std::vector<std::vector<View>> images;
  torch::Tensor block = {};  ///< on a GPU the bytes of all views, uint8 in pinned memory
};

/// The views of several images; by any thread. Where `device` is a GPU they lie in one pinned
/// block, in which a mirrored view shares the bytes of the one before it.
ViewBatch views_of(const std::vector<Image>& images, const InputConfig& input,
                   const TestConfig& test, Size2 clip_resolution, torch::Device device);
/// The views on `device`: one copy, which does not block.
std::vector<std::vector<View>> upload(ViewBatch batch, torch::Device device);

}  // namespace pixelclip
