#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "visualization/palette.hpp"

namespace pixelclip {

/// One image of a sheet with its overlay.
struct SheetCell {
  int width = 0, height = 0;
  std::vector<uint8_t> rgb;     ///< [height, width, 3]; empty: a blank cell.
  std::vector<int32_t> labels;  ///< [height, width] ids, -1 and 255 uncolored; empty: no overlay.
  bool named = true;            ///< Ids are classes in the legend; otherwise colors are arbitrary.
  std::string note;             ///< Text below the cell; may be empty.
};

struct SheetRow {
  std::vector<SheetCell> cells;
};

/// Writes a PNG with one row per image, a title above each column, and a legend of the classes that
/// occur (colors from `palette` by id). Cells are `cell_side` pixels wide. Errors: the file cannot
/// be written.
void write_sheet(const std::filesystem::path& path, const std::vector<SheetRow>& rows,
                 const std::vector<std::string>& column_titles,
                 const std::vector<std::string>& names, const std::vector<Color>& palette,
                 int cell_side = 224);

}  // namespace pixelclip
