#pragma once

#include <vector>

#include "config/config.hpp"
#include "image/image.hpp"
#include "inference/class_scores.hpp"

namespace pixelclip {

/// Image [3, H, W] uint8 as the model takes it: RGB or BGR by INPUT.FORMAT.
torch::Tensor to_tensor(const Image& rgb, const std::string& format);

/// How a picture is looked at. By default once, resized by MIN_SIZE_TEST and MAX_SIZE_TEST and then
/// to CLIP_RESOLUTION; TEST.AUG adds sizes and mirror images, KEEP_ASPECT and RULE mmseg keep the
/// picture's shape, SLIDING_WINDOW keeps it and more of its pixels.
std::vector<View> views_of(const Image& rgb, const Config& config);

}  // namespace pixelclip
