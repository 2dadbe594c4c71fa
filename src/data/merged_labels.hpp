#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "image/image.hpp"

namespace pixelclip {

/// The labels of Pascal-Context's trainval_merged.json: the images of one phase and, for each, run
/// lengths with category ids, drawn in the file's order.
class MergedLabels {
 public:
  /// Parses the file incrementally; only runs and ids are stored. Errors: unreadable, cut short,
  /// not of that form.
  explicit MergedLabels(const std::filesystem::path& path, const std::string& phase = "val");

  /// Stems of the phase's images, sorted.
  std::vector<std::string> stems() const;
  bool holds(const std::string& stem) const { return images_.contains(stem); }
  /// Category ids of an image's pixels, 0 where no region was drawn. Errors: damaged runs.
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
