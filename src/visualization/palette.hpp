#pragma once

#include <cstdint>
#include <vector>

namespace pixelclip {

struct Words;

struct Color {
  uint8_t red = 0, green = 0, blue = 0;
};

/// `count` colors that are as distinct as possible, also for color-blind readers.
std::vector<Color> distinct_colors(int count);

/// A color for each name; the background is dark.
std::vector<Color> colors_of(const Words& words);

}  // namespace pixelclip
