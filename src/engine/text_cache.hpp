#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "modeling/pixelclip.hpp"

namespace pixelclip {

/// Class embeddings [names, C], kept in `folder`: they depend on the text encoder, which never
/// trains, on the templates and the names alone. Only the main rank writes.
torch::Tensor cached_class_embeddings(PixelCLIP& model, const std::vector<std::string>& names,
                                      const std::vector<std::string>& templates,
                                      const std::filesystem::path& folder, bool is_main);

}  // namespace pixelclip
