#pragma once

#include <string>
#include <vector>

#include "pixelclip/config/keys.hpp"
#include "pixelclip/config/value.hpp"

namespace pixelclip::config {

/// What a key takes, for messages and docs: "a number, at least 0".
std::string accepts(const Key& key);

/// Writes `value` into the key's member. Errors, with the value's place: wrong type, out of range.
void assign(const Key& key, const Value& value);

/// Checks the member's present value against the key's rule. `place` begins the error.
void check_rule(const Key& key, const std::string& place);

/// Assigns every entry of a file's top-level map. Errors: unknown keys, sections that are no maps.
void assign_all(const std::vector<Key>& keys, const Value& file);

/// Assigns KEY VALUE KEY VALUE …; the last of equal keys wins. Errors begin with "override".
void assign_overrides(const std::vector<Key>& keys, const std::vector<std::string>& overrides);

/// A map of DATASETS.CUSTOM. Errors: unknown or missing entries, wrong types.
CustomDataset read_custom_dataset(const Value& value);

/// Keys of detectron2 that are accepted with a warning, whatever their value, as they mean nothing
/// here. A section stands for all its keys.
const std::vector<std::string>& unused_keys();

}  // namespace pixelclip::config
