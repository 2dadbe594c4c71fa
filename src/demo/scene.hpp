#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/random.hpp"

namespace pixelclip {

/// Class names of the demo: four grounds, then eight objects. Ids are indices.
const std::vector<std::string>& demo_classes();
constexpr int kDemoGrounds = 4;

/// A rendered image and its regions.
struct DemoScene {
  int size = 0;
  std::vector<uint8_t> rgb;         ///< [size, size, 3]
  std::vector<uint8_t> regions;     ///< [size, size] index of the visible ground or object
  std::vector<int> region_classes;  ///< class id of each region; later regions lie in front
};

/// Style of an image: a photo shows one or two large objects in even light, a scene two to five
/// smaller ones that overlap, in spotted light. They differ as web photos differ from SA-1B's
/// images.
enum class DemoStyle { photo, scene };

/// Renders one or two grounds separated by a wavy line and the objects on them, each with random
/// position, size, rotation, shading and noise.
DemoScene paint_demo_scene(Random& random, DemoStyle style, int size);

/// A sentence that names up to four of the visible classes in random order, without positions: "a
/// photo of a fish, sand and a star".
std::string demo_caption(const DemoScene& scene, Random& random);

}  // namespace pixelclip
