#pragma once

#include <string>
#include <string_view>

namespace pixelclip {

/// A text as CLIP's tokenizer sees it: ftfy's default repairs (curly quotes, Latin ligatures, full-
/// and half-width forms, control characters, terminal escapes, HTML entities, NFC), HTML unescaped
/// twice, white space collapsed to single spaces, trimmed, lower-cased. Valid UTF-8 in and out.
/// One of ftfy's repairs is left out: guessing at text decoded with a wrong encoding ("cafÃ©").
/// Errors: not UTF-8, longer than 16 KiB.
std::string clean_text(std::string_view text);

/// A text in Unicode's composed form (NFC): what macOS spells "e´" becomes "é". What is not UTF-8
/// comes back as it is.
std::string composed(const std::string& text);

/// A text in ASCII: letters without their marks ("café" → "cafe"). Empty when that is not enough,
/// and for what is not UTF-8.
std::string ascii_letters(const std::string& text);

}  // namespace pixelclip
