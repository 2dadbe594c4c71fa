#pragma once

#include <cstdint>

namespace pixelclip {

/// argmax over classes of `scores` [classes, h, w] resized to height × width, into `labels` [height
/// · width], all on this thread's current GPU and queued on `stream`, a cudaStream_t; −1 where a
/// score is not finite. False when this GPU cannot run the kernel.
bool argmax_kernel(const float* scores, int classes, int h, int w, int64_t height, int64_t width,
                   int32_t* labels, void* stream);

}  // namespace pixelclip
