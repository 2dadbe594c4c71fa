#pragma once

#include <cstdint>

#include "pixelclip/image/image.hpp"

namespace pixelclip {

/// Writes the RGB `image` as three planes of height × width, filling what lies to its right and below
/// with `padding`. The frame must be at least as large as the image.
void to_planes(const Image& image, int64_t height, int64_t width, uint8_t padding, uint8_t* out);

}  // namespace pixelclip
