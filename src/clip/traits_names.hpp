#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "clip/traits.hpp"

namespace pixelclip {

/// What the published name of a model says: the name it was asked for by, its file's, its folder's.
std::vector<ClipTraits> traits_of_names(const std::string& asked,
                                        const std::filesystem::path& weights);

}  // namespace pixelclip
