#include "config/lookup.hpp"

#include <algorithm>
#include <cctype>

#include "base/error.hpp"
#include "config/assign.hpp"
#include "config/yaml_reader.hpp"

namespace pixelclip::config {
namespace {

const Key* find_key(const std::vector<Key>& keys, const std::string& name) {
  const auto at =
      std::find_if(keys.begin(), keys.end(), [&](const Key& key) { return key.name == name; });
  return at == keys.end() ? nullptr : &*at;
}

bool is_section(const std::vector<Key>& keys, const std::string& name) {
  return std::any_of(keys.begin(), keys.end(),
                     [&](const Key& key) { return key.name.rfind(name + ".", 0) == 0; });
}

std::string last_part(const std::string& name) { return name.substr(name.rfind('.') + 1); }

/// What stands directly in `section` ("" for the top), in the order of the keys.
std::vector<std::string> members(const std::vector<Key>& keys, const std::string& section) {
  const std::string prefix = section.empty() ? "" : section + ".";
  std::vector<std::string> found;
  for (const Key& key : keys) {
    if (key.name.rfind(prefix, 0) != 0) continue;
    const std::string member = key.name.substr(0, key.name.find('.', prefix.size()));
    if (found.empty() || found.back() != member) found.push_back(member);
  }
  return found;
}

/// The nearest known key, or else what the section holds.
std::string hint(const std::vector<Key>& keys, const std::string& name) {
  std::string upper = name;
  for (char& c : upper) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  std::vector<std::string> names;
  for (const Key& key : keys) {
    // The same key in another section is likelier than another key that is spelled alike.
    if (key.name == upper || last_part(key.name) == last_part(upper)) {
      return " (did you mean " + key.name + "?)";
    }
    names.push_back(key.name);
  }
  const std::string section = name.substr(0, std::max<int64_t>(0, name.rfind('.')));
  // detectron2's keys that have no meaning here: the right spelling of one is accepted.
  const auto& others = passed_over_keys();
  if (is_passed_over_section(section)) {
    if (const auto near = did_you_mean(upper, others); !near.empty()) return near;
  }
  const bool inside = name.find('.') != std::string::npos && is_section(keys, section);
  const auto siblings = members(keys, inside ? section : "");
  if (const auto near = did_you_mean(upper, siblings); !near.empty()) return near;
  names.insert(names.end(), others.begin(), others.end());
  if (const auto near = did_you_mean(upper, names); !near.empty()) return near;
  std::string list;
  for (const auto& sibling : siblings) list += (list.empty() ? "" : ", ") + last_part(sibling);
  return str("; ", inside ? section : "the file", " accepts ", list);
}

[[noreturn]] void no_section(const std::string& name, const RawValue& value) {
  fail(value.place, ": ", name, " is ", value.describe(), "; expected a section with its keys");
}

void assign_section(const std::vector<Key>& keys, const std::string& prefix,
                    const RawValue& section, PassedOver& passed_over) {
  for (const auto& [word, value] : section.map) {
    const std::string name = prefix + word.text;
    if (const Key* key = find_key(keys, name)) {
      assign(*key, value);
    } else if (is_passed_over(name)) {
      passed_over.add(name, value);
    } else if (is_section(keys, name) || is_passed_over_section(name)) {
      if (value.kind != RawValue::Kind::map && value.kind != RawValue::Kind::none)
        no_section(name, value);
      assign_section(keys, name + ".", value, passed_over);
    } else {
      fail(word.place, ": unknown key ", name, hint(keys, name));
    }
  }
}

/// Takes away the backslashes of a value that was protected from the shell twice: \(\"a\"\,\).
std::string without_escapes(const std::string& text) {
  static const std::string kProtected = "()[]{}\"', ";
  if (text.size() < 2 || text[0] != '\\' || kProtected.find(text[1]) == std::string::npos) {
    return text;
  }
  std::string plain;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool escape = text[i] == '\\' && i + 1 < text.size();
    plain += escape && kProtected.find(text[i + 1]) != std::string::npos ? text[++i] : text[i];
  }
  return plain;
}

/// The value of an override in Python's form, or else in YAML's.
RawValue parse_literal(const std::string& written, const std::string& name,
                       const std::string& place) {
  const std::string text = without_escapes(written);
  if (const auto literal = parse_python(text, place)) return *literal;
  RawValue value = parse_yaml(text, str(place, ": ", name));
  value.place = place;
  return value;
}

/// The value of an override. A key that holds a text takes what is not clearly something else as
/// it stands, so that OUTPUT_DIR 2024 or a path with a colon needs no quotes.
RawValue parse_override(const Key& key, const std::string& written, const std::string& place) {
  check_is_text(written, str(place, ": ", key.name));
  if (!std::holds_alternative<std::string*>(key.target) &&
      !std::holds_alternative<EnumMember>(key.target))
    return parse_literal(written, key.name, place);
  const std::string text = without_escapes(written);
  const auto literal = parse_python(text, place);
  using Kind = RawValue::Kind;
  if (literal && literal->kind != Kind::integer && literal->kind != Kind::real) return *literal;
  RawValue value;
  value.kind = Kind::text;
  value.text = text;
  value.place = place;
  return value;
}

/// For a key without meaning: what cannot be read as a value counts as text.
RawValue parse_any(const std::string& written, const std::string& name, const std::string& place) {
  try {
    return parse_literal(written, name, place);
  } catch (const Error&) {
    RawValue value;
    value.kind = RawValue::Kind::text;
    value.text = written;
    value.place = place;
    return value;
  }
}

}  // namespace

void assign_all(const std::vector<Key>& keys, const RawValue& file, PassedOver& passed_over) {
  if (file.kind == RawValue::Kind::none) return;
  if (file.kind != RawValue::Kind::map) {
    fail(file.place, ": the file is ", file.describe(), "; expected keys such as SOLVER: {…}");
  }
  assign_section(keys, "", file, passed_over);
}

void assign_overrides(const std::vector<Key>& keys, const std::vector<std::string>& overrides,
                      PassedOver& passed_over) {
  const std::string place = "override";
  for (size_t i = 0; i < overrides.size(); i += 2) {
    const std::string& name = overrides[i];
    const Key* key = find_key(keys, name);
    if (const size_t equals = name.find('='); !key && equals != std::string::npos) {
      fail(place, ": ", name,
           ": write the key and its value as two words: ", name.substr(0, equals), " ",
           name.substr(equals + 1));
    }
    if (!key && is_section(keys, name)) {
      fail(place, ": ", name, " is a section; name one of its keys, such as ",
           members(keys, name).front());
    }
    if (!key && !is_passed_over(name) && is_passed_over_section(name)) {
      fail(place, ": ", name, " is a section of detectron2 that has no meaning here");
    }
    if (!key && !is_passed_over(name)) fail(place, ": unknown key ", name, hint(keys, name));
    if (i + 1 == overrides.size()) {
      fail(place, ": ", name, " has no value; overrides are pairs KEY VALUE");
    }
    if (key) {
      assign(*key, parse_override(*key, overrides[i + 1], place));
    } else {
      passed_over.add(name, parse_any(overrides[i + 1], name, place));
    }
  }
}

}  // namespace pixelclip::config
