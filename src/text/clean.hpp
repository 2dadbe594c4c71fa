#pragma once

#include <string>
#include <string_view>

namespace pixelclip {

/// A text as CLIP's tokenizer sees it: ftfy's default repairs (curly quotes, Latin ligatures, full-
/// and half-width forms, control characters, terminal escapes, HTML entities, NFC), HTML unescaped
/// twice, white space collapsed to single spaces, trimmed, lower-cased. Valid UTF-8 in and out.
/// One of ftfy's repairs is missing: it does not repair text decoded with a wrong encoding
/// ("cafÃ©"). Errors: not UTF-8, longer than 16 KiB.
std::string clean_text(std::string_view text);

/// A text in Unicode's composed form (NFC): "e´", as macOS writes it, becomes "é". Text that is not
/// UTF-8 is returned unchanged.
std::string composed(const std::string& text);

/// A text in ASCII: letters without their marks ("café" → "cafe"). Empty if other characters remain
/// or the text is not UTF-8.
std::string ascii_letters(const std::string& text);

}  // namespace pixelclip
