#include "data/json_scanner.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/error.hpp"

namespace pixelclip {
namespace {

constexpr int kDeepest = 64;

void append_utf8(uint32_t code, std::string& out) {
  const auto tail = [&](int shift) { out += static_cast<char>(0x80 | ((code >> shift) & 0x3F)); };
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xC0 | (code >> 6));
    tail(0);
  } else if (code < 0x10000) {
    out += static_cast<char>(0xE0 | (code >> 12));
    tail(6), tail(0);
  } else {
    out += static_cast<char>(0xF0 | (code >> 18));
    tail(12), tail(6), tail(0);
  }
}

/// Whether a character ends a run of unescaped characters.
bool special(char c) { return c == '"' || c == '\\' || static_cast<unsigned char>(c) < 0x20; }

}  // namespace

std::string JsonScanner::part() const {
  if (!part_) return "";
  std::string_view id = id_;
  if (id.size() >= 2 && id.front() == '"') id = id.substr(1, id.size() - 2);
  return str(part_, " ", number_, id.empty() ? "" : str(" (id ", printable(id), ")"));
}

void JsonScanner::wrong(const std::string& what) const {
  const std::string inside = part_ ? str(" in ", part()) : "";
  if (at_ >= text_.size())
    fail_in(name_, "the JSON is cut short", inside, ": ", what, " was expected at its end");
  if (part_) {
    fail_in(name_, "invalid JSON, or not of the expected form,", inside, " at byte ", at_, ": ",
            what, " was expected");
  }
  const auto head = text_.substr(0, at_);
  const auto line = 1 + std::count(head.begin(), head.end(), '\n');
  const auto column = at_ - (head.rfind('\n') + 1) + 1;
  throw Error(str(name_, ":", line, ":", column,
                  ": invalid JSON, or not of the expected form: ", what, " was expected"),
              ErrorKind::invalid_input, name_);
}

void JsonScanner::white_space() {
  while (at_ < text_.size()) {
    const char c = text_[at_];
    if (c != ' ' && c != '\n' && c != '\t' && c != '\r') return;
    ++at_;
  }
}

char JsonScanner::peek() {
  white_space();
  if (at_ >= text_.size()) wrong("a value");
  return text_[at_];
}

void JsonScanner::enter(char open, const char* what) {
  white_space();
  if (at_ >= text_.size() || text_[at_] != open) wrong(what);
  if (++depth_ > kDeepest) wrong(str("at most ", kDeepest, " levels of nesting"));
  ++at_;
}

bool JsonScanner::leave(char close) {
  white_space();
  if (at_ >= text_.size() || text_[at_] != close) return false;
  ++at_;
  return true;
}

bool JsonScanner::next(char close) {
  white_space();
  if (at_ < text_.size() && text_[at_] == ',') {
    ++at_;
    return true;
  }
  if (leave(close)) return false;
  wrong(str("',' or '", close, "'"));
}

void JsonScanner::expect(char wanted) {
  white_space();
  if (at_ >= text_.size() || text_[at_] != wanted) wrong(str("'", wanted, "'"));
  ++at_;
}

std::string_view JsonScanner::string(std::string& scratch) {
  white_space();
  if (at_ >= text_.size() || text_[at_] != '"') wrong("a string");
  ++at_;
  scratch.clear();
  bool whole = true;
  for (size_t begin = at_;; begin = at_) {
    while (at_ < text_.size() && !special(text_[at_])) ++at_;
    const std::string_view plain = text_.substr(begin, at_ - begin);
    if (at_ >= text_.size() || static_cast<unsigned char>(text_[at_]) < 0x20) wrong("'\"'");
    if (text_[at_] == '"') {
      ++at_;
      if (whole) return plain;
      scratch += plain;
      return scratch;
    }
    whole = false;
    scratch += plain;
    ++at_;
    escaped(scratch);
  }
}

void JsonScanner::escaped(std::string& out) {
  if (at_ >= text_.size()) wrong("an escaped character");
  switch (text_[at_]) {
    case '"':
      out += '"';
      break;
    case '\\':
      out += '\\';
      break;
    case '/':
      out += '/';
      break;
    case 'b':
      out += '\b';
      break;
    case 'f':
      out += '\f';
      break;
    case 'n':
      out += '\n';
      break;
    case 'r':
      out += '\r';
      break;
    case 't':
      out += '\t';
      break;
    case 'u': {
      ++at_;
      uint32_t code = hex4();
      if (code >= 0xD800 && code < 0xDC00 && text_.substr(at_, 2) == "\\u") {
        at_ += 2;
        code = 0x10000 + ((code - 0xD800) << 10) + ((hex4() - 0xDC00) & 0x3FF);
      }
      append_utf8(code, out);
      return;
    }
    default:
      wrong("a JSON escape sequence");
  }
  ++at_;
}

uint32_t JsonScanner::hex4() {
  uint32_t value = 0;
  const auto digits = text_.substr(at_, 4);
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
  if (error != std::errc() || end != digits.data() + 4) wrong("four hexadecimal digits");
  at_ += 4;
  return value;
}

double JsonScanner::number() {
  white_space();
  double value = 0;
  const char* begin = text_.data() + at_;
  const auto [end, error] = std::from_chars(begin, text_.data() + text_.size(), value);
  // from_chars also takes "inf" and "nan", in any case.
  if (error != std::errc() || !std::isfinite(value)) wrong("a number");
  at_ += static_cast<size_t>(end - begin);
  return value;
}

std::optional<double> JsonScanner::try_number() {
  const char first = peek();
  const bool negative = first == '-' && text_.substr(at_, 2) != "-I";  // -Infinity is none
  if (negative || (first >= '0' && first <= '9')) return any_number();
  if (first != '"') return skip(), std::nullopt;
  std::string scratch;
  std::string_view digits = string(scratch);
  while (digits.starts_with(' ')) digits.remove_prefix(1);
  while (digits.ends_with(' ')) digits.remove_suffix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc() || end != digits.data() + digits.size() || !std::isfinite(value))
    return {};
  return value;
}

int64_t JsonScanner::try_whole(int64_t low, int64_t high) {
  const auto number = try_number();
  const bool whole = number && *number >= static_cast<double>(low) &&
                     *number <= static_cast<double>(high) && *number == std::floor(*number);
  return whole ? static_cast<int64_t>(*number) : -1;
}

bool JsonScanner::flag() {
  std::string_view value = raw();
  if (value.size() >= 2 && value.front() == '"') value = value.substr(1, value.size() - 2);
  double number = 0;
  std::from_chars(value.data(), value.data() + value.size(), number);
  return number != 0 || value == "true" || value == "True";
}

std::string_view JsonScanner::raw() {
  peek();
  const size_t begin = at_;
  skip();
  return text_.substr(begin, at_ - begin);
}

int64_t JsonScanner::integer() {
  const size_t begin = at_;
  const double value = number();
  if (value != std::floor(value) || std::abs(value) > 0x1p53) {
    at_ = begin;
    white_space();
    wrong("a whole number");
  }
  return static_cast<int64_t>(value);
}

void JsonScanner::skip() {
  switch (peek()) {
    case '{':
      object([&](std::string_view) { skip(); });
      return;
    case '[':
      array([&] { skip(); });
      return;
    case '"': {
      std::string scratch;
      string(scratch);
      return;
    }
    default:
      break;
  }
  for (const std::string_view word : {"true", "false", "null", "NaN", "Infinity", "-Infinity"}) {
    if (text_.substr(at_, word.size()) == word) {
      at_ += word.size();
      return;
    }
  }
  any_number();
}

/// Nullopt if the number exceeds the range of double.
std::optional<double> JsonScanner::any_number() {
  double value = 0;
  const char* begin = text_.data() + at_;
  const auto [end, error] = std::from_chars(begin, text_.data() + text_.size(), value);
  const bool too_large = error == std::errc::result_out_of_range;
  if (!too_large && (error != std::errc() || !std::isfinite(value))) wrong("a value");
  at_ += static_cast<size_t>(end - begin);
  return too_large ? std::nullopt : std::optional(value);
}

void JsonScanner::finish() {
  white_space();
  if (at_ < text_.size()) wrong("the end of the file");
}

}  // namespace pixelclip
