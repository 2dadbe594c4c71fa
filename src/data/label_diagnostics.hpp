#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "data/catalog.hpp"
#include "image/image.hpp"

/// Finds mistakes in a test set's label files from the ids they contain.
namespace pixelclip {

/// Number of pixels of each id over all files.
using IdHistogram = std::map<int32_t, int64_t>;

void count_ids(const LabelMap& labels, IdHistogram& histogram);

struct LabelStatistics {
  std::vector<int64_t> pixels;  ///< of each class
  IdHistogram unknown;          ///< ids without meaning
  double ignored_share = 0;
};
LabelStatistics analyze_labels(const IdHistogram& histogram, const IdMap& map, int classes,
                               int ignore);

/// Appends a sentence for each finding; the histogram covers `files` label files.
void diagnose_labels(const IdHistogram& histogram, const LabelStatistics& facts, const IdMap& map,
                     const std::vector<std::string>& names, int ignore, int64_t files,
                     std::vector<std::string>& problems, std::vector<std::string>& hints);

/// "0–149, 255".
std::string list_of_ids(const IdHistogram& histogram);

/// Whether the file is a color image; whether all of its colors belong to the PASCAL palette.
bool holds_colors(const std::filesystem::path& path);
bool has_palette_colors(const std::filesystem::path& path);

}  // namespace pixelclip
