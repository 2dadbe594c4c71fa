#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/random.hpp"

namespace pixelclip {

/// The twelve things of the demo's world: four grounds, then eight objects. Ids are positions.
const std::vector<std::string>& demo_classes();
constexpr int kDemoGrounds = 4;

/// A painted image and what is where in it.
struct DemoScene {
  int size = 0;
  std::vector<uint8_t> rgb;         ///< [size, size, 3]
  std::vector<uint8_t> regions;     ///< [size, size] index of the ground or object seen there
  std::vector<int> region_classes;  ///< class id of each region; later regions lie in front
};

/// What the web's photos are to SA-1B's: a photo shows one or two large things in even light, a
/// scene two to five smaller ones that overlap, in spotted light.
enum class DemoStyle { photo, scene };

/// Paints one or two grounds split by a wavy line and the objects on them, each with its own place,
/// size, turn, shading and noise.
DemoScene paint_demo_scene(Random& random, DemoStyle style, int size);

/// A sentence that names up to four of the things seen in the scene, in any order and without their
/// places: "a photo of a fish, sand and a star".
std::string demo_caption(const DemoScene& scene, Random& random);

}  // namespace pixelclip
