#pragma once

#include <string>
#include <vector>

#include "config/detectron2_keys.hpp"
#include "config/keys.hpp"
#include "config/value.hpp"

namespace pixelclip::config {

/// What a key takes, for messages and docs: "a number, at least 0".
std::string accepts(const Key& key);

/// Writes `value` into the key's member. Errors, with the value's place: wrong type, out of range.
void assign(const Key& key, const Value& value);

/// Checks the member's present value against the key's rule. `place` begins the error.
void check_rule(const Key& key, const std::string& place);

/// Assigns every entry of a file's top-level map; detectron2's keys without meaning here go into
/// `passed_over`. Errors: unknown keys, sections that are no maps.
void assign_all(const std::vector<Key>& keys, const Value& file, PassedOver& passed_over);

/// Assigns KEY VALUE KEY VALUE …; the last of equal keys wins. Errors begin with "override".
void assign_overrides(const std::vector<Key>& keys, const std::vector<std::string>& overrides,
                      PassedOver& passed_over);

/// A map of DATASETS.CUSTOM. Errors: unknown or missing entries, wrong types.
CustomDataset read_custom_dataset(const Value& value);

}  // namespace pixelclip::config
