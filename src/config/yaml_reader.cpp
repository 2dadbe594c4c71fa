#include "config/yaml_reader.hpp"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <map>
#include <string_view>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/install.hpp"

namespace pixelclip::config {
namespace fs = std::filesystem;
namespace {

constexpr size_t kMaxBytes = 1 << 20;
constexpr int kMaxValues = 100'000;
constexpr int kMaxDepth = 32;

/// The length of the UTF-8 character that starts at `i`, or 0 when there is none (overlong forms,
/// surrogates and control characters other than white space do not count).
size_t utf8_length(std::string_view text, size_t i) {
  const auto byte = [&](size_t k) { return k < text.size() ? static_cast<uint8_t>(text[k]) : 0u; };
  const unsigned c = byte(i);
  if (c < 0x80) return c >= 0x20 ? c != 0x7F : c == '\t' || c == '\n' || c == '\r';
  const size_t length = c >= 0xC2 && c < 0xE0   ? 2
                        : (c & 0xF0) == 0xE0    ? 3
                        : c >= 0xF0 && c < 0xF5 ? 4
                                                : 0;
  for (size_t k = 1; k < length; ++k) {
    if ((byte(i + k) & 0xC0) != 0x80) return 0;
  }
  const unsigned second = byte(i + 1);
  const bool overlong = (c == 0xE0 && second < 0xA0) || (c == 0xF0 && second < 0x90);
  const bool outside = (c == 0xED && second > 0x9F) || (c == 0xF4 && second > 0x8F);
  return overlong || outside ? 0 : length;
}

/// Turns yaml-cpp's nodes into values.
class Converter {
 public:
  explicit Converter(const std::string& name) : name_(name) {}

  RawValue convert(const YAML::Node& node, int depth = 0) {
    const std::string place = place_of(node.Mark());
    if (depth > kMaxDepth) fail(place, ": values are nested more than ", kMaxDepth, " deep");
    if (++count_ > kMaxValues) {
      fail(place, ": more than ", kMaxValues, " values; do aliases (*name) refer to each other?");
    }
    check_tag(node, place);
    switch (node.Type()) {
      case YAML::NodeType::Scalar:
        return scalar(node, place);
      case YAML::NodeType::Sequence:
        return sequence(node, place, depth);
      case YAML::NodeType::Map:
        return map(node, place, depth);
      default: {
        RawValue none;
        none.place = place;
        return none;
      }
    }
  }

  std::string place_of(const YAML::Mark& mark) const {
    return mark.is_null() ? name_ : str(name_, ":", mark.line + 1, ":", mark.column + 1);
  }

 private:
  static void check_tag(const YAML::Node& node, const std::string& place) {
    const std::string tag = node.Tag();
    static const std::string kStandard = "tag:yaml.org,2002:";
    const bool python = tag.find("python/") != std::string::npos;
    const bool tuple = tag == kStandard + "python/tuple";
    if (tag.empty() || tag == "?" || tag == "!" || tuple) return;
    if (python || tag.rfind(kStandard, 0) != 0) {
      fail(place, ": the tag ", tag, " is not accepted; write the plain value");
    }
  }

  static RawValue scalar(const YAML::Node& node, const std::string& place) {
    if (node.Tag() != "!" && node.Tag() != "tag:yaml.org,2002:str") {
      return parse_word(node.Scalar(), place);
    }
    RawValue value;
    value.kind = RawValue::Kind::text;
    value.text = node.Scalar();
    value.quoted = true;
    value.place = place;
    return value;
  }

  RawValue sequence(const YAML::Node& node, const std::string& place, int depth) {
    RawValue value;
    value.kind = RawValue::Kind::list;
    value.place = place;
    for (const auto& item : node) value.list.push_back(convert(item, depth + 1));
    return value;
  }

  RawValue map(const YAML::Node& node, const std::string& place, int depth) {
    RawValue value;
    value.kind = RawValue::Kind::map;
    value.place = place;
    std::map<std::string, std::string> places;
    for (const auto& entry : node) {
      RawValue key = convert(entry.first, depth + 1);
      if (!entry.first.IsScalar()) fail(key.place, ": a key must be one word");
      const auto [earlier, is_new] = places.emplace(key.text, key.place);
      if (!is_new) {
        fail(key.place, ": duplicate key ", key.text, "; it is already set at ", earlier->second);
      }
      value.map.push_back({std::move(key), convert(entry.second, depth + 1)});
    }
    return value;
  }

  const std::string& name_;
  int count_ = 0;
};

/// Takes `_BASE_` out of `file` and returns the paths it names.
std::vector<RawValue> take_bases(RawValue& file) {
  const auto at = std::find_if(file.map.begin(), file.map.end(),
                               [](const auto& entry) { return entry.key.text == "_BASE_"; });
  if (at == file.map.end()) return {};
  RawValue named = std::move(at->value);
  file.map.erase(at);
  if (named.kind != RawValue::Kind::list) return {named};
  return named.list;
}

/// A path that begins with ~ lies in the user's home folder, as detectron2 reads it.
fs::path from_home(const std::string& text) {
  if (text != "~" && !text.starts_with("~/")) return text;
  const fs::path home = home_folder();
  return home.empty() ? fs::path(text) : fs::path(home.string() + text.substr(1));
}

void read_chain(const fs::path& path, std::vector<fs::path>& open, std::vector<RawValue>& files) {
  std::error_code unreadable;
  const fs::path canonical = fs::weakly_canonical(path, unreadable);
  const bool cycle = std::find(open.begin(), open.end(), canonical) != open.end();
  open.push_back(canonical);
  if (cycle) {
    std::string way;
    for (const auto& p : open) way += (way.empty() ? "" : " → ") + p.filename().string();
    fail("the _BASE_ files form a cycle: ", way);
  }
  const MappedFile mapped(path);
  const auto bytes = mapped.bytes();
  if (bytes.size() > kMaxBytes) {
    fail(path.string(), ": ", bytes.size(),
         " bytes are too many for a configuration; the limit is ", kMaxBytes);
  }
  RawValue file = parse_yaml({bytes.begin(), bytes.end()}, path.string());
  for (const RawValue& base : take_bases(file)) {
    if (base.kind != RawValue::Kind::text) {
      fail(base.place, ": _BASE_ is ", base.describe(), "; expected the path of a YAML file");
    }
    const fs::path base_path = path.parent_path() / from_home(base.text);
    if (std::error_code ignored; !fs::is_regular_file(base_path, ignored)) {
      fail(ErrorKind::not_found, base.place, ": _BASE_ names ", base_path.string(),
           ", which does not exist; the path is ", "relative to the file that names it");
    }
    read_chain(base_path, open, files);
  }
  files.push_back(std::move(file));
  open.pop_back();
}

}  // namespace

// yaml-cpp ends silently at some control characters and replaces broken UTF-8.
void check_is_text(const std::string& text, const std::string& name) {
  size_t line = 1, line_start = 0;
  for (size_t i = 0; i < text.size();) {
    const size_t length = utf8_length(text, i);
    if (length == 0) {
      fail(name, ":", line, ":", i - line_start + 1, ": byte ", static_cast<int>(uint8_t(text[i])),
           " is not UTF-8 text; is this a YAML file?");
    }
    if (text[i] == '\n') {
      ++line;
      line_start = i + 1;
    }
    i += length;
  }
}

RawValue parse_yaml(const std::string& text, const std::string& name) {
  if (text.size() > kMaxBytes) fail(name, ": more than ", kMaxBytes, " bytes");
  check_is_text(text, name);
  Converter converter(name);
  try {
    // yaml-cpp notices a quote that is never closed only when the text ends in its midst.
    const size_t end = text.find_last_not_of(" \t\r\n") + 1;
    if (end < text.size()) YAML::LoadAll(text.substr(0, end));
    const auto documents = YAML::LoadAll(text);
    if (documents.size() > 1) {
      fail(converter.place_of(documents[1].Mark()),
           ": a second document begins here; expected one");
    }
    return converter.convert(documents.empty() ? YAML::Node() : documents[0]);
  } catch (const YAML::Exception& e) {
    fail(converter.place_of(e.mark), ": invalid YAML: ", e.msg);
  }
}

std::vector<RawValue> read_yaml_chain(const fs::path& path) {
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) fail(path.string(), ": a folder; expected a YAML file");
  if (fs::status(path, ignored).type() == fs::file_type::not_found)
    fail_in(ErrorKind::not_found, path.string(), "no such configuration file");
  std::vector<fs::path> open;
  std::vector<RawValue> files;
  read_chain(path, open, files);
  return files;
}

}  // namespace pixelclip::config
