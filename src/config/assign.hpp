#pragma once

#include <string>

#include "config/keys.hpp"
#include "config/raw_value.hpp"

namespace pixelclip::config {

/// The values that a key accepts, for messages and docs: "a number, at least 0".
std::string accepts(const Key& key);

/// Assigns `value` to the member of the key. Errors, with the place of the value: wrong type, out
/// of range.
void assign(const Key& key, const RawValue& value);

/// Checks the current value of the member against the rule of the key. Errors begin with `place`.
void check_rule(const Key& key, const std::string& place);

}  // namespace pixelclip::config
