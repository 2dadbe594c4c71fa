#pragma once

#include <cstdint>

#include "image/pixel_tile.hpp"

namespace pixelclip {

/// Adds `shift` (256 to a turn, wrapping) to the hue of Pillow's 8-bit HSV, there and back, bit for
/// bit.
void shift_pillow_hue(PixelTile& tile, int32_t shift);

}  // namespace pixelclip
