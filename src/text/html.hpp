#pragma once

#include <string>

namespace pixelclip {

/// Replaces HTML 5's character references as browsers do, also those without a semicolon and
/// invalid numbers (as Python's html.unescape).
std::u32string unescape_html(const std::u32string& text);

/// Replaces only references that end with a semicolon, and names in capitals ("&EACUTE;"), as ftfy
/// does.
std::u32string unescape_clear_html(const std::u32string& text);

/// The character of byte 0x80–0x9F in Windows-1252; the byte itself where none is defined.
char32_t windows_1252(char32_t c);

}  // namespace pixelclip
