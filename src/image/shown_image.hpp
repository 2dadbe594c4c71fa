#pragma once

#include <cstdint>
#include <filesystem>

#include "image/image.hpp"

namespace pixelclip {

/// An image as it is displayed, and its size, which is larger than that of `rgb` where the file was
/// read smaller.
struct ShownImage {
  Image rgb;
  int64_t height = 0, width = 0;
};

/// Reads an image file turned by its orientation. One of more than 50 megapixels is read smaller
/// where the format allows that, with at least `short_side` pixels on its short side. Errors: as
/// decode_rgb; more than 1.5 gigapixels.
ShownImage read_shown_image(const std::filesystem::path& file, int64_t short_side);

}  // namespace pixelclip
