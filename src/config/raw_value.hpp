#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace pixelclip::config {

/// A value as it is written in YAML or on the command line, before a key gives it a type.
struct RawValue {
  enum class Kind { none, boolean, integer, real, text, list, map };
  struct Entry;

  Kind kind = Kind::none;
  bool boolean = false;
  int64_t integer = 0;
  double real = 0;      ///< set for integers too
  std::string text;     ///< scalars: as spelled, without quotes
  bool quoted = false;  ///< a text in quotes
  std::vector<RawValue> list;
  std::vector<Entry> map;
  std::string place;  ///< "a.yaml:12:5", or "override"

  /// For messages: `"abc"`, `12`, `a list of 3`, …
  std::string describe() const;
};

/// Key and value in a map. A vector of pairs of an incomplete type is no valid C++.
struct RawValue::Entry {
  RawValue key, value;
};

/// The value of an unquoted word by the rules of YAML and Python: None, True, 12, 1e-4, else text.
/// Integers of more than 64 bits become real.
RawValue parse_word(const std::string& word, const std::string& place);

/// Reads a Python literal: numbers, True, False, None, quoted texts, tuples, lists and dicts of
/// them. Nothing if `text` as a whole is not a literal.
std::optional<RawValue> parse_python(const std::string& text, const std::string& place);

}  // namespace pixelclip::config
