#pragma once

#include "base/random.hpp"
#include "image/image.hpp"
#include "image/pixel_tile.hpp"

namespace pixelclip {

/// MaskFormer's ColorAugSSDTransform (SSD's photometric distortion; hue in OpenCV's 8-bit HSV).
/// draw() fills the struct, apply() is a pure function of it.
struct SsdJitter {
  bool brightness = false, contrast = false, saturation = false, hue = false;
  bool contrast_first = true;                        // before saturation and hue, else after them
  float brightness_delta = 0;                        // U(−32, 32)
  float contrast_factor = 1, saturation_factor = 1;  // U(½, 1½)
  int hue_delta = 0;                                 // integer in [−18, 18], of 180

  static SsdJitter draw(Random& random);
};

/// In place. Errors: not RGB.
void apply(const SsdJitter& jitter, Image& image);
void apply(const SsdJitter& jitter, PixelTile& tile);

}  // namespace pixelclip
