#pragma once

#include <string>
#include <vector>

#include "config/detectron2_keys.hpp"
#include "config/keys.hpp"
#include "config/raw_value.hpp"

namespace pixelclip::config {

/// Assigns all entries of the top-level map of a file; detectron2 keys without meaning here are
/// added to `passed_over`. Errors: unknown keys, sections that are not maps.
void assign_all(const std::vector<Key>& keys, const RawValue& file, PassedOver& passed_over);

/// Assigns KEY VALUE KEY VALUE …; of equal keys the last counts. Errors begin with "override".
void assign_overrides(const std::vector<Key>& keys, const std::vector<std::string>& overrides,
                      PassedOver& passed_over);

}  // namespace pixelclip::config
