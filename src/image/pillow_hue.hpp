#pragma once

#include <cstdint>

#include "image/pixel_tile.hpp"

namespace pixelclip {

/// Converts to Pillow's 8-bit HSV, adds `shift` to the hue (256 per turn, wrapping) and converts
/// back, bit for bit.
void shift_pillow_hue(PixelTile& tile, int32_t shift);

}  // namespace pixelclip
