#pragma once

#include "image/image.hpp"

namespace pixelclip {

/// OpenCV's INTER_LINEAR without antialiasing, as mmcv and cv2.resize compute it.
Image resize_linear(const Image& image, int64_t height, int64_t width);

/// OpenCV's INTER_NEAREST: the source index is ⌊i · source / target⌋.
LabelMap resize_nearest(const LabelMap& labels, int64_t height, int64_t width);

}  // namespace pixelclip
