#include "config/raw_value.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

#include "base/error.hpp"

namespace pixelclip::config {
namespace {

template <size_t N>
bool is_one_of(const std::string& word, const std::array<const char*, N>& words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// [+-]digits[.digits][e[+-]digits], with a digit before or after the point, as Python reads
/// numbers; no leading zeros, which YAML 1.1 takes for octal.
bool looks_like_number(const std::string& word, bool& integral) {
  size_t i = !word.empty() && (word[0] == '+' || word[0] == '-');
  const size_t start = i;
  while (i < word.size() && is_digit(word[i])) ++i;
  size_t digits = i - start;
  if (digits > 1 && word[start] == '0') return false;
  integral = i == word.size();
  if (i < word.size() && word[i] == '.') {
    const size_t point = i++;
    while (i < word.size() && is_digit(word[i])) ++i;
    digits += i - point - 1;
  }
  if (digits == 0) return false;
  if (i < word.size() && (word[i] == 'e' || word[i] == 'E')) {
    ++i;
    if (i < word.size() && (word[i] == '+' || word[i] == '-')) ++i;
    const size_t exponent = i;
    while (i < word.size() && is_digit(word[i])) ++i;
    if (i == exponent) return false;
  }
  return i == word.size();
}

/// False when `word` is no number. Beyond the range of double it is one, but infinite.
bool read_number(const std::string& word, RawValue& value) {
  bool integral = false;
  if (!looks_like_number(word, integral)) return false;
  const char* begin = word.data() + (word[0] == '+');
  const char* end = word.data() + word.size();
  const auto real = std::from_chars(begin, end, value.real);
  if (real.ec == std::errc::result_out_of_range) {
    const bool tiny = word.find("e-") != std::string::npos || word.find("E-") != std::string::npos;
    value.real = tiny ? 0.0 : std::numeric_limits<double>::infinity();
  }
  value.kind = RawValue::Kind::real;
  if (integral && std::from_chars(begin, end, value.integer).ec == std::errc()) {
    value.kind = RawValue::Kind::integer;
  }
  return true;
}

/// A recursive-descent reader of Python literals; every function returns false where the text is
/// not one.
class PythonReader {
 public:
  PythonReader(const std::string& text, const std::string& place) : text_(text), place_(place) {}

  bool read_all(RawValue& value) {
    if (!read(value, 0)) return false;
    skip_space();
    return at_ == text_.size();
  }

 private:
  static constexpr int kDepth = 32;

  void skip_space() {
    while (at_ < text_.size() && std::string(" \t\r\n").find(text_[at_]) != std::string::npos)
      ++at_;
  }
  bool take(char c) {
    skip_space();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  bool read(RawValue& value, int depth) {
    value.place = place_;
    skip_space();
    if (depth > kDepth || at_ >= text_.size()) return false;
    switch (text_[at_]) {
      case '(':
        return read_list(value, ')', depth);
      case '[':
        return read_list(value, ']', depth);
      case '{':
        return read_map(value, depth);
      case '"':
      case '\'':
        return read_text(value);
      default:
        return read_word(value);
    }
  }

  bool read_list(RawValue& value, char close, int depth) {
    ++at_;
    value.kind = RawValue::Kind::list;
    bool comma = true;
    while (!take(close)) {
      if (!comma || !read(value.list.emplace_back(), depth + 1)) return false;
      comma = take(',');
    }
    // A pair of parentheses without a comma only groups.
    if (close == ')' && value.list.size() == 1 && !comma) {
      RawValue inner = std::move(value.list[0]);
      value = std::move(inner);
    }
    return true;
  }

  bool read_map(RawValue& value, int depth) {
    ++at_;
    value.kind = RawValue::Kind::map;
    bool comma = true;
    while (!take('}')) {
      auto& [key, item] = value.map.emplace_back();
      if (!comma || !read(key, depth + 1) || !take(':') || !read(item, depth + 1)) return false;
      comma = take(',');
    }
    return true;
  }

  bool read_text(RawValue& value) {
    const char quote = text_[at_++];
    value.kind = RawValue::Kind::text;
    value.quoted = true;
    while (at_ < text_.size() && text_[at_] != quote) {
      char c = text_[at_++];
      if (c == '\\') {
        if (at_ >= text_.size()) return false;
        c = text_[at_++];
        if (c == 'n') {
          c = '\n';
        } else if (c == 't') {
          c = '\t';
        } else if (c != '\\' && c != '\'' && c != '"') {
          return false;
        }
      }
      value.text += c;
    }
    return at_ < text_.size() && text_[at_++] == quote;
  }

  bool read_word(RawValue& value) {
    const size_t end = std::min(text_.find_first_of(" \t\r\n,()[]{}:'\"", at_), text_.size());
    const std::string word = text_.substr(at_, end - at_);
    at_ = end;
    value.text = word;
    if (word == "None") return true;
    if (word == "True" || word == "False") {
      value.kind = RawValue::Kind::boolean;
      value.boolean = word == "True";
      return true;
    }
    return read_number(word, value);
  }

  const std::string& text_;
  const std::string& place_;
  size_t at_ = 0;
};

}  // namespace

std::string RawValue::describe() const {
  switch (kind) {
    case Kind::none:
      return "empty";
    case Kind::text:
      return str('"', text.size() > 60 ? text.substr(0, 60) + "…" : text, '"');
    case Kind::list:
      return str("a list of ", list.size());
    case Kind::map:
      return "a map of keys";
    default:
      return text;
  }
}

RawValue parse_word(const std::string& word, const std::string& place) {
  static constexpr std::array kNone{"", "~", "null", "Null", "NULL", "None"};
  static constexpr std::array kTrue{"true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"};
  static constexpr std::array kFalse{"false", "False", "FALSE", "no", "No",
                                     "NO",    "off",   "Off",   "OFF"};
  RawValue value;
  value.place = place;
  value.text = word;
  if (is_one_of(word, kNone)) return value;
  if (is_one_of(word, kTrue) || is_one_of(word, kFalse)) {
    value.kind = RawValue::Kind::boolean;
    value.boolean = is_one_of(word, kTrue);
    return value;
  }
  if (read_number(word, value)) return value;
  if (word[0] == '(' || word[0] == '[') {
    if (auto literal = parse_python(word, place)) return *literal;
  }
  value.kind = RawValue::Kind::text;
  return value;
}

std::optional<RawValue> parse_python(const std::string& text, const std::string& place) {
  RawValue value;
  if (!PythonReader(text, place).read_all(value)) return std::nullopt;
  return value;
}

}  // namespace pixelclip::config
