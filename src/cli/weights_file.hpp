#pragma once

#include <filesystem>
#include <string>

#include "io/weights_file.hpp"

namespace pixelclip::cli {

/// read_weights_file without the entries beside the weights whose classes are unknown; each is
/// named in a warning. Errors: as read_weights_file.
WeightsFile read_known_weights(const std::filesystem::path& path);

/// "12.3 MB".
std::string human_size(double bytes);

}  // namespace pixelclip::cli
