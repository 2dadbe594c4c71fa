#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace pixelclip {

/// `text` without the spaces, tabs and line ends around it.
std::string trimmed(std::string_view text);

/// ASCII letters in lower case; other bytes stay.
std::string lower_ascii(std::string text);

/// RFC 4648, with padding.
std::string base64(std::span<const uint8_t> bytes);

}  // namespace pixelclip
