#include "config/continued.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "config/assign.hpp"
#include "config/writer.hpp"
#include "config/yaml_reader.hpp"

namespace pixelclip {
namespace {

using config::Key;
using config::RawValue;

std::vector<Key> keys_of(Config& config) {
  config::Keys collector;
  config.visit(collector);
  return collector.take();
}

/// The entry of `map` under `word`, or null.
RawValue* entry(RawValue& map, const std::string& word) {
  const auto found = std::find_if(map.map.begin(), map.map.end(),
                                  [&](const auto& one) { return one.key.text == word; });
  return found == map.map.end() ? nullptr : &found->value;
}

/// The value of a dotted key. With `make`, sections and entry are added where they are missing.
RawValue* find_value(RawValue& file, const std::string& key, bool make) {
  RawValue* section = &file;
  for (size_t start = 0; section;) {
    const size_t dot = key.find('.', start);
    const std::string word = key.substr(start, dot - start);
    if (section->kind != RawValue::Kind::map) {
      if (!make) return nullptr;
      *section = RawValue();
      section->kind = RawValue::Kind::map;
    }
    RawValue* inner = entry(*section, word);
    if (!inner && make) {
      section->map.push_back({config::parse_word(word, ""), {}});
      inner = &section->map.back().value;
    }
    if (dot == std::string::npos || !inner) return inner;
    section = inner;
    start = dot + 1;
  }
  return nullptr;
}

std::string written(const RawValue& value);

std::string scalar(const RawValue& value) {
  switch (value.kind) {
    case RawValue::Kind::none:
      return "null";
    case RawValue::Kind::boolean:
      return value.boolean ? "true" : "false";
    case RawValue::Kind::integer:
    case RawValue::Kind::real:
      return value.text;
    default: {
      std::string text = value.text;
      return config::value_text({"", &text, "", {}});
    }
  }
}

/// In one line.
std::string written(const RawValue& value) {
  std::string text;
  if (value.kind == RawValue::Kind::list) {
    for (const auto& item : value.list) text += (text.empty() ? "" : ", ") + written(item);
    return "[" + text + "]";
  }
  if (value.kind != RawValue::Kind::map) return scalar(value);
  for (const auto& [key, item] : value.map)
    text += (text.empty() ? "" : ", ") + scalar(key) + ": " + written(item);
  return "{" + text + "}";
}

/// A section with a line for each key.
std::string lines(const RawValue& section, int depth) {
  std::string text;
  for (const auto& [key, value] : section.map) {
    text += std::string(2 * depth, ' ') + key.text + ":";
    const bool block = value.kind == RawValue::Kind::map && !value.map.empty();
    text += block ? "\n" + lines(value, depth + 1) : " " + written(value) + "\n";
  }
  return text;
}

/// The key's value in that file as text; the default's where the file does not have it.
std::string earlier_text(const Key& key, const RawValue* value) {
  if (!value) return config::value_text(key);
  try {
    config::assign(key, *value);
    return config::value_text(key);
  } catch (const Error&) {  // what this program would refuse
    return written(*value);
  }
}

}  // namespace

std::optional<ContinuedConfig> continued_yaml(const Config& config, const std::string& earlier,
                                              const std::string& name) {
  RawValue file = config::parse_yaml(earlier, name);
  if (file.kind != RawValue::Kind::map || entry(file, "_BASE_")) return std::nullopt;
  Config now = config, then;
  const auto keys = keys_of(now), earlier_keys = keys_of(then);
  ContinuedConfig result;
  for (size_t i = 0; i < keys.size(); ++i) {
    const auto before =
        earlier_text(earlier_keys[i], find_value(file, keys[i].name, /*make=*/false));
    const auto after = config::value_text(keys[i]);
    if (before == after) continue;
    result.changes.push_back(str(keys[i].name, ": ", before, " → ", after));
    *find_value(file, keys[i].name, /*make=*/true) = config::parse_yaml(after, name);
  }
  result.text = result.changes.empty() ? earlier : lines(file, 0);
  return result;
}

}  // namespace pixelclip
