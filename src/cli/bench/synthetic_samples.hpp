#pragma once

#include <cstdint>
#include <filesystem>

namespace pixelclip::cli {

/// Writes `count` training samples of height × width pixels in SA-1B's layout under `root`: smooth
/// colors with overlapping wavy discs, a hundred masks each. Deterministic.
void make_samples(const std::filesystem::path& root, int64_t count, int64_t height, int64_t width);

}  // namespace pixelclip::cli
