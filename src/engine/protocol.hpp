#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "modeling/pixelclip.hpp"

namespace pixelclip {

/// What numbers depend on beside weights and data, as JSON: sizes, rule, views, precision,
/// templates.
std::string protocol_text(const Config& config, const std::vector<std::string>& templates);

/// Checksum of the weights that take part in scoring: the student image encoder and the text
/// encoder.
std::string weights_checksum(PixelCLIP& model);

/// Class embeddings [names, C], kept in `folder`: they depend on the text encoder, which never
/// trains, on the templates and the names alone. Only the main rank writes.
torch::Tensor cached_class_embeddings(PixelCLIP& model, const std::vector<std::string>& names,
                                      const std::vector<std::string>& templates,
                                      const std::filesystem::path& folder, bool is_main);

}  // namespace pixelclip
