#pragma once

#include <string>
#include <vector>

#include "image/image.hpp"
#include "visualization/sheet.hpp"

namespace pixelclip {

/// An image with its labels as a color overlay and, below it, a legend of the labels that occur
/// with their share of the image, the largest first. Images longer than `max_side` pixels are
/// shrunk, small ones enlarged. Labels are indices into `names` and `palette`.
Image overlay_page(const Image& rgb, const LabelMap& labels, const std::vector<std::string>& names,
                   const std::vector<Color>& palette, int64_t max_side = 2048);

/// "#e69f00".
std::string to_hex(const Color& color);

}  // namespace pixelclip
