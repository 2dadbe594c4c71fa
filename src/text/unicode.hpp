#pragma once

#include <string>
#include <string_view>

/// Unicode for the tokenizer, on code points.
namespace pixelclip::unicode {

/// Errors: not UTF-8 (overlong forms, surrogates and cut-off sequences included), with the place.
std::u32string decode(std::string_view utf8);
std::string encode(std::u32string_view text);
void append(std::string& utf8, char32_t c);

bool is_letter(char32_t c);   ///< \p{L}
bool is_number(char32_t c);   ///< \p{N}
bool is_decimal(char32_t c);  ///< \p{Nd}
bool is_space(char32_t c);    ///< what Python's str.split splits at

/// Canonical composition (NFC).
std::u32string compose(const std::u32string& text);
/// Compatibility composition (NFKC) of one code point.
std::u32string compose_compatible(char32_t c);
/// Full lower-casing as Python's str.lower does it, final sigma included.
std::u32string lower(const std::u32string& text);
std::u32string upper(const std::u32string& text);

}  // namespace pixelclip::unicode
