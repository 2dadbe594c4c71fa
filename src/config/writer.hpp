#pragma once

#include <string>

#include "config/config.hpp"

namespace pixelclip {

/// All keys with their values; load_config of this text gives the same Config.
std::string to_yaml(const Config& config);
/// The keys whose values differ from those of `base`, for a file with it as `_BASE_`.
std::string to_yaml_where_other(const Config& config, const Config& base);

namespace config {

/// The current value of a key in one line of YAML; reading it gives the same value.
std::string value_text(const Key& key);

}  // namespace config
}  // namespace pixelclip
