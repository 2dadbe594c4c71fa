#pragma once

#include <cstdint>
#include <vector>

namespace pixelclip {

struct Words;

struct Color {
  uint8_t red = 0, green = 0, blue = 0;
};

/// `count` colors that stay apart for color-blind readers as far as their number allows.
std::vector<Color> distinct_colors(int count);

/// A color for each of the names; the background's is dark.
std::vector<Color> colors_of(const Words& words);

}  // namespace pixelclip
