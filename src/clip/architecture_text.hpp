#pragma once

#include <string>

#include "clip/clip.hpp"

namespace pixelclip {

/// All numbers of an architecture as JSON, for another process.
std::string to_text(const ClipArchitecture& architecture);
/// Errors: a text that to_text did not write.
ClipArchitecture architecture_from_text(const std::string& text);

}  // namespace pixelclip
