#pragma once

#include <string>
#include <vector>

#include "config/config.hpp"

namespace pixelclip {

/// The configuration with what TEST.PER_SET says of `set`. Errors: an entry that is no name and
/// pairs of keys of TEST and values, a key or value that load_config would refuse.
Config config_for_set(const Config& config, const std::string& set);
/// Removes `key` from the entries of TEST.PER_SET, and entries that then hold none.
void remove_from_per_set(Config& config, const std::string& key);
/// The sets that TEST.PER_SET names.
std::vector<std::string> sets_with_own_keys(const Config& config);

}  // namespace pixelclip
