#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "visualization/palette.hpp"

namespace pixelclip {

/// One image of a sheet: RGB bytes, and what is laid over it.
struct SheetCell {
  int width = 0, height = 0;
  std::vector<uint8_t> rgb;     ///< [height, width, 3]; empty leaves the cell blank.
  std::vector<int32_t> labels;  ///< [height, width] ids, -1 and 255 uncolored; empty: no overlay.
  bool named = true;            ///< Ids are classes in the legend; else each id is any color.
  std::string note;             ///< A line under the cell, may be empty.
};

struct SheetRow {
  std::vector<SheetCell> cells;
};

/// Writes a PNG for people: one row an image, a title above each column, under them a legend of
/// the classes of `names` that occur in the rows (colors from `palette`, by id). Overlaid images
/// stay visible. Cells are `cell_side` pixels wide. Errors: the file cannot be written.
void write_sheet(const std::filesystem::path& path, const std::vector<SheetRow>& rows,
                 const std::vector<std::string>& column_titles,
                 const std::vector<std::string>& names, const std::vector<Color>& palette,
                 int cell_side = 224);

}  // namespace pixelclip
