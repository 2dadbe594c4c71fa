#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "image/image.hpp"

namespace pixelclip {

/// The labels of Pascal-Context's trainval_merged.json: the images of one phase and, for each,
/// run lengths with category ids, painted in the file's order.
class MergedLabels {
 public:
  /// Reads the file piece by piece; only runs and ids are kept. Errors: unreadable, cut short, not
  /// of that form.
  explicit MergedLabels(const std::filesystem::path& path, const std::string& phase = "val");

  /// Stems of the phase's images, sorted.
  std::vector<std::string> stems() const;
  bool holds(const std::string& stem) const { return images_.contains(stem); }
  /// Category ids of an image's pixels, 0 where nothing was painted. Errors: damaged runs.
  LabelMap paint(const std::string& stem) const;

 private:
  struct Region {
    int category = 0;
    int64_t height = 0, width = 0;
    std::string counts;  ///< Compressed.
  };
  struct AnnotatedImage {
    int64_t height = 0, width = 0;
    std::vector<Region> regions;
  };
  std::filesystem::path path_;
  std::map<std::string, AnnotatedImage> images_;
};

}  // namespace pixelclip
