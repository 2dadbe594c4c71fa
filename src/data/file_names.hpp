#pragma once

#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

namespace pixelclip {

/// Files by name. A name is the path below the set's folder, without what ends it (an extension, a
/// suffix), with / between its parts, and in Unicode's composed form: "seq1/0001".
class FileNames {
 public:
  /// `name_of` gives a name from a path below `root`; empty: the file is not one of them. A file
  /// that comes later replaces one of the same name if `prefers` says so; else both are left out.
  void add(const std::string& name, const std::filesystem::path& path, int preference = 0);

  const std::map<std::string, std::filesystem::path>& all() const { return files_; }
  /// Names that several files have: they are not among all().
  const std::set<std::string>& doubled() const { return doubled_; }
  bool holds(const std::string& name) const { return files_.contains(name); }
  /// How many files have this stem, the last part of a name.
  size_t with_stem(const std::string& stem) const;

  /// The file meant by a name of somebody else: that of this name, or of those with its stem the
  /// only one, or the one that shares more parts from the end than any other. Empty: none;
  /// `several` tells that more than one could be meant.
  std::string find(const std::string& name, bool& several) const;

 private:
  std::map<std::string, std::filesystem::path> files_;
  std::map<std::string, int> preferences_;
  std::set<std::string> doubled_;
  std::unordered_map<std::string, std::vector<std::string>> by_stem_;
};

/// The last part of a name.
std::string stem_of(const std::string& name);

/// A path as a name: / between parts, composed, without "./" and "/" at its beginning.
std::string as_name(const std::string& path);

/// `name` without the first of `endings` that it ends with, whatever the case of ASCII letters;
/// empty when there is none or nothing before it.
std::string stem_before(const std::string& name, const std::vector<std::string>& endings);

/// With ASCII letters in lower case.
std::string lower_case(std::string text);

/// Whether it ends as an image does (.jpg, .png, …); `extension` with its dot, in any case.
bool is_image_extension(const std::string& extension);

}  // namespace pixelclip
