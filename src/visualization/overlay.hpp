#pragma once

#include <string>
#include <vector>

#include "image/image.hpp"
#include "visualization/sheet.hpp"

namespace pixelclip {

/// An image with its labels laid over it, and under it the names of those that occur, the largest
/// first with their share of the image. Images longer than `max_side` pixels are shrunk, small
/// ones enlarged. Labels are positions in `names`; colors come from `palette` by label.
Image overlay_page(const Image& rgb, const LabelMap& labels, const std::vector<std::string>& names,
                   const std::vector<Color>& palette, int64_t max_side = 2048);

/// "#e69f00".
std::string to_hex(const Color& color);

}  // namespace pixelclip
