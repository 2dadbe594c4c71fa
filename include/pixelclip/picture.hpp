#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "pixelclip/export.hpp"

namespace pixelclip {

/// RGB bytes [height, width, 3], row by row.
struct Picture {
  int64_t height = 0, width = 0;
  std::vector<uint8_t> rgb;
};

/// Reads a JPEG, PNG BMP, WebP, TIFF, JPEG 2000 or PNM file, turned as its EXIF orientation says.
/// All functions of this library report bad input as std::runtime_error with one sentence for
/// people.
PIXELCLIP_API Picture load_picture(const std::filesystem::path& file);

}  // namespace pixelclip
