#pragma once

#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

namespace pixelclip {

/// Files by name. A name is the path below the set's folder without extension and suffix, with /
/// between its parts, in Unicode's composed form: "seq1/0001".
class FileNames {
 public:
  /// Of several files with one name, the one with the highest preference is kept; with equal
  /// preference, all are left out.
  void add(const std::string& name, const std::filesystem::path& path, int preference = 0);

  const std::map<std::string, std::filesystem::path>& all() const { return files_; }
  /// Names shared by several files; all() does not contain them.
  const std::set<std::string>& doubled() const { return doubled_; }
  bool holds(const std::string& name) const { return files_.contains(name); }
  /// Number of files with this stem (the last part of a name).
  size_t with_stem(const std::string& stem) const;

  /// The name that matches a name from elsewhere: the same name, or the only one with its stem, or
  /// the one that shares more trailing parts than any other. Empty: none; `several` is set if more
  /// than one could be meant.
  std::string find(const std::string& name, bool& several) const;

 private:
  std::map<std::string, std::filesystem::path> files_;
  std::map<std::string, int> preferences_;
  std::set<std::string> doubled_;
  std::unordered_map<std::string, std::vector<std::string>> by_stem_;
};

/// The last part of a name.
std::string stem_of(const std::string& name);

/// Converts a path to a name: / between parts, composed, without leading "./" and "/".
std::string as_name(const std::string& path);

/// `name` without the first matching ending of `endings`, ignoring ASCII case; empty if none
/// matches or nothing remains.
std::string stem_before(const std::string& name, const std::vector<std::string>& endings);

/// Converts ASCII letters to lower case.
std::string lower_case(std::string text);

/// Whether this is an extension of image files (.jpg, .png, …), with its dot, in any case.
bool is_image_extension(const std::string& extension);

}  // namespace pixelclip
