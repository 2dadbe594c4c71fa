#pragma once

#include <filesystem>

#include "clip/published.hpp"

namespace pixelclip::cli {

/// Writes the CLIP in the weights file `in`, of a PixelCLIP checkpoint the student, as `publisher`
/// names its tensors. `out` is a file, or a folder that gets the publisher's usual files.
/// Returns the weights file. Errors: as open_clip, publish and the writers.
std::filesystem::path convert_published(const std::filesystem::path& in,
                                        const std::filesystem::path& out, Publisher publisher,
                                        bool half);

}  // namespace pixelclip::cli
