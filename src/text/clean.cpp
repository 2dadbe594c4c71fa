#include "text/clean.hpp"

#include <utf8proc.h>

#include <algorithm>
#include <cstdlib>
#include <memory>

#include "base/error.hpp"
#include "text/html.hpp"
#include "text/unicode.hpp"

namespace pixelclip {
namespace {

// Bytes; CLIP's 77 tokens cover far fewer. The time for nested entities grows with its square.
constexpr size_t kLongestText = size_t{1} << 14;

/// ASCII in which only white space and capitals change: most class names and prompts.
bool is_plain(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= ' ' && c < 0x7F && c != '&') || c == '\t' || c == '\n' || c == '\r';
  });
}

std::string clean_plain(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  bool gap = false;
  for (const char c : text) {
    if (c <= ' ') {
      gap = !result.empty();
      continue;
    }
    if (gap) result.push_back(' ');
    gap = false;
    result.push_back(c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c);
  }
  return result;
}

/// ftfy's table of ligatures and digraphs of Latin letters.
const char32_t* split_ligature(char32_t c) {
  switch (c) {
    case 0x132:
      return U"IJ";
    case 0x133:
      return U"ij";
    case 0x149:
      return U"\u02BCn";
    case 0x1C4:
      return U"D\u017D";
    case 0x1C5:
      return U"D\u017E";
    case 0x1C6:
      return U"d\u017E";
    case 0x1C7:
      return U"LJ";
    case 0x1C8:
      return U"Lj";
    case 0x1C9:
      return U"lj";
    case 0x1CA:
      return U"NJ";
    case 0x1CB:
      return U"Nj";
    case 0x1CC:
      return U"nj";
    case 0x1F1:
      return U"DZ";
    case 0x1F2:
      return U"Dz";
    case 0x1F3:
      return U"dz";
    case 0xFB00:
      return U"ff";
    case 0xFB01:
      return U"fi";
    case 0xFB02:
      return U"fl";
    case 0xFB03:
      return U"ffi";
    case 0xFB04:
      return U"ffl";
    case 0xFB05:
      return U"\u017Ft";
    case 0xFB06:
      return U"st";
    default:
      return nullptr;
  }
}

char32_t straight_quote(char32_t c) {
  if (c == 0x2BC || (c >= 0x2018 && c <= 0x201B)) return '\'';
  if (c >= 0x201C && c <= 0x201F) return '"';
  return c;
}

bool is_removed_control(char32_t c) {
  return c < 0x09 || c == 0x0B || (c >= 0x0E && c < 0x20) || c == 0x7F ||
         (c >= 0x206A && c < 0x2070) || c == 0xFEFF || (c >= 0xFFF9 && c < 0xFFFD);
}

/// The repairs of single code points.
void repair_character(std::u32string& result, char32_t c) {
  c = windows_1252(c);
  if (const auto* letters = split_ligature(c)) {
    for (; *letters; ++letters) result.push_back(straight_quote(*letters));
  } else if (c == 0x3000) {
    result.push_back(' ');
  } else if (c > 0xFF00 && c < 0xFFF0) {
    for (const char32_t wide : unicode::compose_compatible(c))
      result.push_back(straight_quote(wide));
  } else if (c == '\r' || c == 0x2028 || c == 0x2029) {
    result.push_back('\n');
  } else {
    result.push_back(straight_quote(c));
  }
}

/// Length of the color or cursor command "ESC [ digits letter" at text[at]; 0 when there is none.
size_t terminal_escape(const std::u32string& text, size_t at) {
  if (text[at] != 0x1B || at + 1 >= text.size() || text[at + 1] != '[') return 0;
  size_t end = at + 2;
  while (end < text.size() && (unicode::is_decimal(text[end]) || text[end] == ';')) ++end;
  const bool letter = end < text.size() && (text[end] | 32) >= 'a' && (text[end] | 32) <= 'z';
  return letter ? end + 1 - at : 0;
}

std::u32string remove_controls(const std::u32string& text) {
  std::u32string result;
  for (size_t i = 0; i < text.size();) {
    const size_t escape = terminal_escape(text, i);
    if (escape == 0 && !is_removed_control(text[i])) result.push_back(text[i]);
    i += std::max<size_t>(1, escape);
  }
  return result;
}

/// ftfy.fix_text of one line, without its guesses at wrong encodings. Repairs can make room for
/// others, so they are repeated until nothing changes.
std::u32string repair_line(std::u32string line, bool unescape) {
  while (true) {
    std::u32string repaired;
    repaired.reserve(line.size());
    for (const char32_t c : unescape ? unescape_clear_html(line) : line) {
      repair_character(repaired, c);
    }
    repaired = unicode::compose(remove_controls(repaired));
    if (repaired == line) return line;
    line = std::move(repaired);
  }
}

std::u32string repair(const std::u32string& text) {
  std::u32string result;
  bool unescape = true;
  for (size_t start = 0; start < text.size();) {
    const size_t end = std::min(text.size(), text.find(U'\n', start) + 1);
    const size_t stop = end == 0 ? text.size() : end;
    auto line = text.substr(start, stop - start);
    // From the first "<" on, the text is taken to be HTML and its entities are left alone.
    unescape = unescape && line.find(U'<') == line.npos;
    result += repair_line(std::move(line), unescape);
    start = stop;
  }
  return result;
}

std::u32string collapse_spaces(const std::u32string& text) {
  std::u32string result;
  bool gap = false;
  for (const char32_t c : text) {
    if (unicode::is_space(c)) {
      gap = !result.empty();
      continue;
    }
    if (gap) result.push_back(' ');
    gap = false;
    result.push_back(c);
  }
  return result;
}

}  // namespace

std::string clean_text(std::string_view text) {
  if (text.size() > kLongestText) {
    fail("a text of ", text.size(), " bytes is longer than the ", kLongestText, " allowed");
  }
  if (is_plain(text)) return clean_plain(text);
  const auto repaired = unescape_html(unescape_html(repair(unicode::decode(text))));
  return unicode::encode(unicode::lower(collapse_spaces(repaired)));
}

std::string composed(const std::string& text) {
  if (std::all_of(text.begin(), text.end(), [](char c) { return (c & 0x80) == 0; })) return text;
  try {
    return unicode::encode(unicode::compose(unicode::decode(text)));
  } catch (const Error&) {
    return text;
  }
}

std::string ascii_letters(const std::string& text) {
  utf8proc_uint8_t* mapped = nullptr;
  const auto size =
      utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                   static_cast<utf8proc_ssize_t>(text.size()), &mapped,
                   static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_DECOMPOSE |
                                                  UTF8PROC_COMPAT | UTF8PROC_STRIPMARK));
  const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> owner(mapped, &std::free);
  if (size < 0 ||
      std::any_of(mapped, mapped + size, [](utf8proc_uint8_t byte) { return byte >= 0x80; }))
    return "";
  return {reinterpret_cast<const char*>(mapped), static_cast<size_t>(size)};
}

}  // namespace pixelclip
