#include "config/class_names.hpp"

#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/install.hpp"

namespace pixelclip {
namespace fs = std::filesystem;
namespace {

/// A list of names means synonyms, which stand side by side as "person, child".
std::string name_of(const nlohmann::json& name, const fs::path& path, size_t index) {
  if (name.is_array() && !name.empty()) {
    std::string joined;
    for (const auto& synonym : name)
      joined += (joined.empty() ? "" : ", ") + name_of(synonym, path, index);
    return joined;
  }
  if (!name.is_string())
    fail(path.string(), ": class ", index, " is not a text but ", name.type_name());
  auto text = name.get<std::string>();
  if (text.find_first_not_of(" \t\r\n") == std::string::npos) {
    fail(path.string(), ": the name of class ", index, " is empty");
  }
  return text;
}

}  // namespace

fs::path find_data_file(const fs::path& path) {
  std::error_code ignored;
  if (path.empty() || path.is_absolute() || fs::exists(path, ignored)) return path;
  auto folders = installed_data_folders();
  folders.push_back(PIXELCLIP_SOURCE_DIR);  // last: an installed program uses its own files
  for (const fs::path& folder : folders) {
    if (fs::exists(folder / path, ignored)) return folder / path;
  }
  return path;
}

std::vector<std::string> read_class_names(const fs::path& named) {
  const fs::path path = find_data_file(named);
  const nlohmann::json json = read_json(path);
  if (!json.is_array() && !json.is_object()) {
    fail(path.string(), ": a ", json.type_name(), "; expected a list of class names, ",
         "or a map from \"0\", \"1\", … to names");
  }
  if (json.empty()) fail(path.string(), ": holds no class names");
  std::vector<std::string> names;
  for (size_t i = 0; i < json.size(); ++i) {
    if (json.is_array()) {
      names.push_back(name_of(json[i], path, i));
      continue;
    }
    const auto at = json.find(std::to_string(i));
    if (at == json.end()) {
      fail(path.string(), ": a map of ", json.size(), " names without the key \"", i,
           "\"; expected \"0\" to \"", json.size() - 1, "\"");
    }
    names.push_back(name_of(*at, path, i));
  }
  return names;
}

}  // namespace pixelclip
