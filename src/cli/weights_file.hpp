#pragma once

#include <filesystem>
#include <string>

#include "io/weights_file.hpp"

namespace pixelclip::cli {

/// read_weights_file without the entries beside the weights whose classes are unknown; each is
/// named in a warning. Errors: as read_weights_file.
WeightsFile read_known_weights(const std::filesystem::path& path);

/// Whether the name ends as the weights files that are written here: .pth, .pt, .bin, .safetensors.
bool is_weights_name(const std::filesystem::path& path);

/// Warns of numbers beyond 65504, which become infinite in half precision.
void warn_of_overflow(const std::string& name, const torch::Tensor& tensor);

/// "12.3 MB".
std::string human_size(double bytes);

}  // namespace pixelclip::cli
