#pragma once

#include <string>

namespace pixelclip {

/// Markdown of every key: default, what it accepts, meaning.
std::string config_reference();

}  // namespace pixelclip
