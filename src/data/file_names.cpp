#include "data/file_names.hpp"

#include <algorithm>

#include "text/clean.hpp"

namespace pixelclip {
namespace {

/// Number of trailing parts that two names share.
int parts_from_end(const std::string& a, const std::string& b) {
  int parts = 0;
  size_t i = a.size(), j = b.size();
  while (i > 0 && j > 0 && a[i - 1] == b[j - 1]) {
    --i, --j;
    if (a[i] == '/') ++parts;
  }
  const bool at_part = (i == 0 || a[i - 1] == '/') && (j == 0 || b[j - 1] == '/');
  return parts + (at_part && i < a.size() && a[i] != '/' ? 1 : 0);
}

}  // namespace

std::string stem_of(const std::string& name) { return name.substr(name.rfind('/') + 1); }

std::string as_name(const std::string& path) {
  std::string name = composed(path);
  std::replace(name.begin(), name.end(), '\\', '/');
  while (name.starts_with("/") || name.starts_with("./")) name.erase(0, name[0] == '/' ? 1 : 2);
  return name;
}

std::string lower_case(std::string text) {
  for (char& c : text) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  return text;
}

std::string stem_before(const std::string& name, const std::vector<std::string>& endings) {
  for (const std::string& ending : endings) {
    if (name.size() <= ending.size()) continue;
    const size_t before = name.size() - ending.size();
    if (lower_case(name.substr(before)) == lower_case(ending)) return name.substr(0, before);
  }
  return "";
}

bool is_image_extension(const std::string& extension) {
  const auto known = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"};
  return std::find(known.begin(), known.end(), lower_case(extension)) != known.end();
}

void FileNames::add(const std::string& name, const std::filesystem::path& path, int preference) {
  const auto [known, fresh] = preferences_.emplace(name, preference);
  if (fresh) {
    by_stem_[stem_of(name)].push_back(name);
  } else if (preference < known->second) {
    return;
  } else if (preference == known->second) {
    files_.erase(name);
    doubled_.insert(name);
    return;
  }
  known->second = preference;
  doubled_.erase(name);
  files_[name] = path;
}

size_t FileNames::with_stem(const std::string& stem) const {
  const auto at = by_stem_.find(stem);
  return at == by_stem_.end() ? 0 : at->second.size();
}

std::string FileNames::find(const std::string& name, bool& several) const {
  several = doubled_.contains(name);
  if (several) return "";
  if (files_.contains(name)) return name;
  const auto at = by_stem_.find(stem_of(name));
  if (at == by_stem_.end()) return "";
  std::string best;
  int most = at->second.size() == 1 ? 0 : 1;  // the stem alone is ambiguous among several
  several = true;
  for (const std::string& candidate : at->second) {
    const int parts = parts_from_end(name, candidate);
    if (parts < most) continue;
    several = parts == most || doubled_.contains(candidate);
    most = parts;
    best = candidate;
  }
  return several ? "" : best;
}

}  // namespace pixelclip
