#pragma once

#include <cstdint>

#include "image/image.hpp"

namespace pixelclip {

/// argmax over classes of `scores` [classes, h, w] (row-major floats) resized bilinearly
/// (align_corners=false, as PyTorch) to height × width, without making [classes, height, width].
/// Inside one cell of the grid a class whose best corner lies below another's worst corner cannot
/// win, so few classes are interpolated: exact. Ties go to the lowest class. `threads` 0: all
/// cores; the result is the same for any number and on any processor. Errors: a score that is not
/// finite.
LabelMap argmax_upsampled(const float* scores, int classes, int h, int w, int64_t height,
                          int64_t width, int threads = 1);

}  // namespace pixelclip
