#pragma once

#include <string>

#include "config/keys.hpp"

namespace pixelclip::config {

/// The present value of a key in YAML's one-line form; reading it back gives the same value.
std::string value_text(const Key& key);

}  // namespace pixelclip::config
