#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "data/catalog.hpp"
#include "image/image.hpp"

/// What the ids of a test set's label files tell about mistakes in making them.
namespace pixelclip {

/// Pixels of each id, over all files.
using IdHistogram = std::map<int32_t, int64_t>;

void count_ids(const LabelMap& labels, IdHistogram& histogram);

struct LabelFacts {
  std::vector<int64_t> pixels;  ///< of each class
  IdHistogram unknown;          ///< ids without meaning
  double ignored_share = 0;
};
LabelFacts understand(const IdHistogram& histogram, const IdMap& map, int classes, int ignore);

/// Appends a sentence for each sign; `files` label files went into the histogram.
void find_signs(const IdHistogram& histogram, const LabelFacts& facts, const IdMap& map,
                const std::vector<std::string>& names, int ignore, int64_t files,
                std::vector<std::string>& problems, std::vector<std::string>& hints);

/// "0–149, 255".
std::string list_of_ids(const IdHistogram& histogram);

/// Whether the file is a picture in colours; whether all of them are PASCAL's palette.
bool holds_colours(const std::filesystem::path& path);
bool has_palette_colours(const std::filesystem::path& path);

}  // namespace pixelclip
