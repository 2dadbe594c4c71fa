#pragma once

#include <string>

namespace pixelclip {

/// Replaces HTML 5's character references as browsers do, also those without a semicolon and
/// invalid numbers (as Python's html.unescape).
std::u32string unescape_html(const std::u32string& text);

/// Replaces only references that end with a semicolon, and names in capitals ("&EACUTE;"), as ftfy
/// does.
std::u32string unescape_clear_html(const std::u32string& text);

/// The character that byte 0x80–0x9F stands for in Windows-1252; itself where there is none.
char32_t windows_1252(char32_t c);

}  // namespace pixelclip
