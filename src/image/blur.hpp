#pragma once

#include <cstdint>
#include <vector>

#include "image/image.hpp"

namespace pixelclip {

/// Working memory of a blur, reused from call to call; one per thread.
struct BlurScratch {
  std::vector<uint8_t> lines, rings;
  std::vector<const uint8_t*> sources;
};

/// Pillow's ImageFilter.GaussianBlur, bit for bit, in place. Errors: sigma outside [0, 100] pixels.
void gaussian_blur(Image& image, float sigma, BlurScratch& scratch);

/// The same for one plane whose rows are `stride` bytes apart.
void blur_plane(uint8_t* pixels, int64_t height, int64_t width, int64_t stride, float sigma,
                BlurScratch& scratch);

}  // namespace pixelclip
