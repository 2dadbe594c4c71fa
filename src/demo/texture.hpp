#pragma once

#include <cstdint>

namespace pixelclip {

/// An RGB color with components of 0 to 1.
struct Paint {
  float red = 0, green = 0, blue = 0;
};

/// Appearance parameters of one ground or object.
struct DemoLook {
  int kind = 0;       ///< class id
  uint32_t seed = 0;  ///< of its noise
  float hue = 0;      ///< −1 to 1: position in the color range of its kind
  float light = 0;    ///< −1 to 1: darker or lighter than usual
};

/// Color of a ground at (x, y), in the scene's units.
Paint ground_paint(const DemoLook& look, float x, float y);

/// Signed distance to the outline of an object at (u, v), where the object fills the unit circle;
/// negative inside. It is exact only near the outline.
float object_distance(int kind, float u, float v);

/// Color of an object at (u, v), inside its outline.
Paint object_paint(const DemoLook& look, float u, float v);

/// Applies spotted light, as below trees: brightness and warmth vary with the position.
Paint dappled(const Paint& color, float x, float y, uint32_t seed);

}  // namespace pixelclip
