#include "text/html.hpp"

#include <charconv>
#include <optional>
#include <sstream>
#include <string_view>
#include <unordered_map>

#include "text/unicode.hpp"

namespace pixelclip {
namespace {

#include "text/html_entities.inc"

constexpr size_t kLongestNumber = 12;  // digits; longer ones lie above U+10FFFF or begin with zeros

bool is_digit(char32_t c) { return c >= '0' && c <= '9'; }
bool is_hex(char32_t c) { return is_digit(c) || ((c | 32) >= 'a' && (c | 32) <= 'f'); }
bool is_alphanumeric(char32_t c) { return is_digit(c) || ((c | 32) >= 'a' && (c | 32) <= 'z'); }

struct Entity {
  std::u32string text;
  bool bare = false;  // known without a semicolon, too
};

const std::unordered_map<std::string, Entity>& entities() {
  static const auto table = [] {
    std::unordered_map<std::string, Entity> result;
    std::istringstream in(kEntities);
    for (std::string name, codes; in >> name >> codes;) {
      auto& entity = result[name];
      for (const char* at = codes.data(); at < codes.data() + codes.size(); ++at) {
        uint32_t code = 0;
        at = std::from_chars(at, codes.data() + codes.size(), code, 16).ptr;
        entity.text.push_back(code);
      }
    }
    std::istringstream bare(kBareEntities);
    for (std::string name; bare >> name;) result[name].bare = true;
    return result;
  }();
  return table;
}

const Entity* find_entity(std::u32string_view name) {
  const auto found = entities().find(unicode::encode(name));
  return found == entities().end() ? nullptr : &found->second;
}

/// The bare entity with the longest name that begins `name` (at least two letters); its length.
size_t bare_prefix(std::u32string_view name) {
  for (size_t length = name.size(); length >= 2; --length) {
    const auto* entity = find_entity(name.substr(0, length));
    if (entity && entity->bare) return length;
  }
  return 0;
}

std::u32string from_number(std::u32string_view digits, int base) {
  uint64_t code = 0;
  while (!digits.empty() && digits[0] == '0') digits.remove_prefix(1);
  if (digits.size() > kLongestNumber) return U"\uFFFD";
  const std::string ascii(digits.begin(), digits.end());
  std::from_chars(ascii.data(), ascii.data() + ascii.size(), code, base);
  if (code == 0 || (code >= 0xD800 && code <= 0xDFFF) || code > 0x10FFFF) return U"\uFFFD";
  const auto c = static_cast<char32_t>(code);
  if (c >= 0x80 && c <= 0x9F) return {windows_1252(c)};
  const bool invalid = c < 0x09 || c == 0x0B || (c >= 0x0E && c <= 0x1F) || c == 0x7F ||
                       (c >= 0xFDD0 && c <= 0xFDEF) || (c & 0xFFFE) == 0xFFFE;
  return invalid ? std::u32string() : std::u32string{c};
}

/// A reference that starts at text[at] == '&': how many code points it takes and what it becomes.
struct Reference {
  size_t size;
  std::u32string text;
};

std::optional<Reference> numeric_reference(const std::u32string& text, size_t at) {
  if (at + 2 >= text.size() || text[at + 1] != '#') return std::nullopt;
  const bool hex = (text[at + 2] | 32) == 'x';
  const size_t start = at + (hex ? 3 : 2);
  size_t end = start;
  while (end < text.size() && (hex ? is_hex(text[end]) : is_digit(text[end]))) ++end;
  if (end == start) return std::nullopt;
  auto result = from_number(std::u32string_view(text).substr(start, end - start), hex ? 16 : 10);
  if (end < text.size() && text[end] == ';') ++end;
  return Reference{end - at, std::move(result)};
}

std::optional<Reference> named_reference(const std::u32string& text, size_t at) {
  constexpr std::u32string_view kStops = U"\t\n\f <&#;";
  size_t end = at + 1;
  while (end < text.size() && end - at <= 32 && kStops.find(text[end]) == kStops.npos) ++end;
  const auto name = std::u32string_view(text).substr(at + 1, end - at - 1);
  if (name.empty()) return std::nullopt;
  if (end < text.size() && text[end] == ';') {
    if (const auto* entity = find_entity(name)) return Reference{end + 1 - at, entity->text};
  }
  const size_t length = bare_prefix(name);
  if (length == 0) return std::nullopt;
  return Reference{1 + length, find_entity(name.substr(0, length))->text};
}

/// "&EACUTE;": an entity that is defined in lower case only.
std::optional<std::u32string> capital_entity(std::u32string_view name) {
  std::u32string small(name);
  for (auto& c : small) {
    if (c >= 'a' && c <= 'z') return std::nullopt;
    if (c >= 'A' && c <= 'Z') c += 32;
  }
  const auto* entity = find_entity(small);
  if (!entity || bare_prefix(name) != 0) return std::nullopt;
  return unicode::upper(entity->text);
}

std::optional<Reference> clear_reference(const std::u32string& text, size_t at) {
  const bool numeric = at + 1 < text.size() && text[at + 1] == '#';
  const size_t start = at + (numeric ? 2 : 1);
  size_t end = start;
  while (end < text.size() && end - start < 24 && is_alphanumeric(text[end])) ++end;
  if (end == start || end == text.size() || text[end] != ';') return std::nullopt;
  const size_t size = end + 1 - at;
  if (numeric) {
    auto reference = numeric_reference(text, at);
    // "&#59;" is a semicolon and stays as it is.
    if (!reference || reference->size != size || reference->text == U";") return std::nullopt;
    return reference;
  }
  const auto name = std::u32string_view(text).substr(start, end - start);
  if (const auto* entity = find_entity(name)) return Reference{size, entity->text};
  if (auto capital = capital_entity(name)) return Reference{size, std::move(*capital)};
  return std::nullopt;
}

template <typename Find>
std::u32string replace_references(const std::u32string& text, Find find) {
  if (text.find(U'&') == text.npos) return text;
  std::u32string result;
  result.reserve(text.size());
  for (size_t i = 0; i < text.size();) {
    if (text[i] == '&') {
      if (const auto reference = find(text, i)) {
        result += reference->text;
        i += reference->size;
        continue;
      }
    }
    result.push_back(text[i++]);
  }
  return result;
}

}  // namespace

char32_t windows_1252(char32_t c) {
  constexpr std::u32string_view kTable =
      U"\u20AC\u0081\u201A\u0192\u201E\u2026\u2020\u2021\u02C6\u2030\u0160\u2039\u0152\u008D\u017D"
      U"\u008F"
      U"\u0090\u2018\u2019\u201C\u201D\u2022\u2013\u2014\u02DC\u2122\u0161\u203A\u0153\u009D\u017E"
      U"\u0178";
  return c >= 0x80 && c <= 0x9F ? kTable[c - 0x80] : c;
}

std::u32string unescape_html(const std::u32string& text) {
  return replace_references(text, [](const std::u32string& t, size_t at) {
    auto reference = numeric_reference(t, at);
    return reference ? reference : named_reference(t, at);
  });
}

std::u32string unescape_clear_html(const std::u32string& text) {
  return replace_references(text, clear_reference);
}

}  // namespace pixelclip
