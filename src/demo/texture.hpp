#pragma once

#include <cstdint>

namespace pixelclip {

/// A color in linear steps of 0 to 1.
struct Paint {
  float red = 0, green = 0, blue = 0;
};

/// What makes one ground or object differ from others of its kind.
struct DemoLook {
  int kind = 0;       ///< class id
  uint32_t seed = 0;  ///< of its noise
  float hue = 0;      ///< −1 to 1: where in the kind's color family it lies
  float light = 0;    ///< −1 to 1: darker or lighter than usual
};

/// Color of a ground at (x, y), in the scene's units.
Paint ground_paint(const DemoLook& look, float x, float y);

/// Signed distance to the outline of an object at (u, v), where the object fills the unit circle;
/// negative inside. Only near the outline is it a true distance.
float object_distance(int kind, float u, float v);

/// Color of an object at (u, v), inside its outline.
Paint object_paint(const DemoLook& look, float u, float v);

/// A color in the spotted light below trees, brighter or dimmer, warmer or colder from place to
/// place.
Paint dappled(const Paint& color, float x, float y, uint32_t seed);

}  // namespace pixelclip
