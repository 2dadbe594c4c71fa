#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace pixelclip::config {

/// A value as it was written, before a key gives it a type.
struct Value {
  enum class Kind { none, boolean, integer, real, text, list, map };

  Kind kind = Kind::none;
  bool boolean = false;
  int64_t integer = 0;
  double real = 0;      ///< set for integers too
  std::string text;     ///< scalars: as spelled, without quotes
  bool quoted = false;  ///< a text that stood in quotes
  std::vector<Value> list;
  std::vector<std::pair<Value, Value>> map;
  std::string place;  ///< "a.yaml:12:5", or "override"

  /// For messages: `"abc"`, `12`, `a list of 3`, …
  std::string describe() const;
};

/// The value of a word without quotes by the rules of YAML and Python: None, True, 12, 1e-4, else
/// text. Integers beyond 64 bits become real.
Value parse_word(const std::string& word, const std::string& place);

/// Reads a Python literal: numbers, True, False, None, quoted texts, tuples, lists and dicts of
/// them. Nothing when `text` is not wholly one.
std::optional<Value> parse_python(const std::string& text, const std::string& place);

}  // namespace pixelclip::config
