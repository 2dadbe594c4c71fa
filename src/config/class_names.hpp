#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace pixelclip {

/// Reads class names from a JSON list ["wall", …] or map {"0": "wall", …} with the keys 0 … n − 1.
/// A list in place of a name holds synonyms, which are joined by ", ". A relative path that does
/// not exist is also searched in the source tree. Errors: missing file, another form, empty names.
std::vector<std::string> read_class_names(const std::filesystem::path& path);

/// The path itself, or its location in the source tree or installation if only that exists.
std::filesystem::path find_data_file(const std::filesystem::path& path);

}  // namespace pixelclip
