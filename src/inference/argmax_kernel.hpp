#pragma once

#include <cstdint>

namespace pixelclip {

/// argmax over classes of `scores` [classes, h, w] resized to height × width, into `labels` [height
/// · width], all on GPU `device`, in order with what LibTorch does on its default stream; −1 where
/// a score is no finite number. False when this GPU can not run the kernel.
bool argmax_kernel(const float* scores, int classes, int h, int w, int64_t height, int64_t width,
                   int32_t* labels, int device);

}  // namespace pixelclip
