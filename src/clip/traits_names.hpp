#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "clip/traits.hpp"

namespace pixelclip {

/// The traits that a model's published name implies: the name that was requested, its file's or its
/// folder's.
std::vector<ClipTraits> traits_of_names(const std::string& asked,
                                        const std::filesystem::path& weights);

}  // namespace pixelclip
