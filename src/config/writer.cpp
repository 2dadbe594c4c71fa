#include "config/writer.hpp"

#include <array>
#include <charconv>
#include <cmath>

#include "base/error.hpp"

namespace pixelclip {
namespace config {
namespace {

std::string write(bool value) { return value ? "True" : "False"; }
std::string write(int64_t value) { return std::to_string(value); }

/// The shortest form that reads back as the same number, without an exponent where that is short.
std::string write(double value) {
  std::array<char, 64> digits;
  const double size = std::abs(value);
  const bool plain = size == 0 || (size >= 1e-6 && size < 1e15);
  const auto format = plain ? std::chars_format::fixed : std::chars_format::scientific;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value, format).ptr;
  std::string text(digits.data(), end);
  if (text.find_first_not_of("-0123456789") == std::string::npos) text += ".0";
  return text;
}

std::string write(const std::string& value) {
  std::string text = "\"";
  for (const char c : value) {
    if (c == '"' || c == '\\') {
      text += {'\\', c};
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
      static constexpr char kHex[] = "0123456789abcdef";
      text += {'\\', 'x', kHex[c >> 4], kHex[c & 15]};
    } else {
      text += c;
    }
  }
  return text + '"';
}

std::string write(const Size2& value) { return str("[", value.height, ", ", value.width, "]"); }

std::string write(const CustomDataset& set);

template <class T>
std::string write(const std::vector<T>& values) {
  std::string text;
  for (const auto& value : values) text += (text.empty() ? "" : ", ") + write(value);
  return "[" + text + "]";
}

std::string write(const CustomDataset& set) {
  std::string text = "{name: " + write(set.name);
  const auto add = [&](const char* entry, const std::string& value) {
    if (!value.empty()) text += str(", ", entry, ": ", write(value));
  };
  add("kind", to_string(set.kind));
  add("images", set.images);
  add("masks", set.masks);
  add("labels", set.labels);
  if (!set.names.empty()) text += ", names: " + write(set.names);
  if (set.names.empty()) add("names", set.names_file);
  add("label_suffix", set.label_suffix);
  add("image_suffix", set.image_suffix);
  add("list", set.list);
  if (set.ignore >= 0) text += str(", ignore: ", set.ignore);
  if (!set.id_map.empty()) {
    std::string pairs;
    for (const auto& [label, target] : set.id_map) {
      pairs += str(pairs.empty() ? "" : ", ", label, ": ", target);
    }
    text += ", id_map: {" + pairs + "}";
  }
  return text + "}";
}

}  // namespace

std::string value_text(const Key& key) {
  const auto text = [](const auto& target) {
    if constexpr (std::is_pointer_v<std::decay_t<decltype(target)>>)
      return write(*target);
    else
      return write(target.get(target.member));
  };
  return std::visit(text, key.target);
}

namespace {

/// Keys and values as nested sections.
std::string sections(const std::vector<Key>& keys) {
  std::string text, section;
  for (const Key& key : keys) {
    const size_t dot = key.name.rfind('.');
    const std::string its_section = dot == std::string::npos ? "" : key.name.substr(0, dot);
    // Headers of the sections that this key opens; one that is still open is not repeated.
    size_t depth = 0;
    for (size_t end = 0; end < its_section.size(); ++depth) {
      const size_t start = end == 0 ? 0 : end + 1;
      end = std::min(its_section.find('.', start), its_section.size());
      const std::string outer = its_section.substr(0, end);
      const bool open = section == outer || section.rfind(outer + ".", 0) == 0;
      if (!open)
        text += str(std::string(2 * depth, ' '), its_section.substr(start, end - start), ":\n");
    }
    section = its_section;
    text += str(std::string(2 * depth, ' '), key.name.substr(dot + 1), ": ", value_text(key), "\n");
  }
  return text;
}

std::vector<Key> all_keys(Config& config) {
  Keys collector;
  config.visit(collector);
  return collector.take();
}

}  // namespace
}  // namespace config

std::string to_yaml(const Config& config) {
  Config copy = config;
  return config::sections(config::all_keys(copy));
}

std::string to_yaml_where_other(const Config& config, const Config& base) {
  Config copy = config, base_copy = base;
  const auto keys = config::all_keys(copy), base_keys = config::all_keys(base_copy);
  std::vector<config::Key> other;
  for (size_t i = 0; i < keys.size(); ++i) {
    if (config::value_text(keys[i]) != config::value_text(base_keys[i])) other.push_back(keys[i]);
  }
  return config::sections(other);
}

}  // namespace pixelclip
