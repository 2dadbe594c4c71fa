#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>

namespace pixelclip {

/// Reads a JSON object that describes weights: a configuration or an index of shards. At most 4 MB
/// and 16 levels, so that its tree stays small. Errors: unreadable, larger, deeper, no JSON, no
/// object.
nlohmann::json read_small_json(const std::filesystem::path& path);

}  // namespace pixelclip
