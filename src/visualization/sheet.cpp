#include "visualization/sheet.hpp"

#include <algorithm>
#include <opencv2/imgproc.hpp>
#include <set>

#include "base/error.hpp"
#include "image/codec.hpp"
#include "visualization/drawing.hpp"

namespace pixelclip {
namespace {

using namespace drawing;

constexpr int kTitleHeight = 34, kNoteHeight = 24;

void check(const SheetCell& cell) {
  const size_t pixels =
      static_cast<size_t>(std::max(cell.width, 0)) * static_cast<size_t>(std::max(cell.height, 0));
  if (pixels == 0 || cell.rgb.size() != 3 * pixels ||
      (!cell.labels.empty() && cell.labels.size() != pixels)) {
    fail("an image of a sheet has ", cell.rgb.size(), " bytes and ", cell.labels.size(),
         " labels for ", cell.width, "x", cell.height, " pixels");
  }
}

/// Draws the image centered in side × side pixels.
void draw_cell(cv::Mat page, const SheetCell& cell, const std::vector<Color>& palette, int side) {
  if (cell.rgb.empty()) return;
  const cv::Mat source(cell.height, cell.width, CV_8UC3, const_cast<uint8_t*>(cell.rgb.data()));
  const double scale = double(side) / std::max(cell.width, cell.height);
  const cv::Size size(std::max(1, cvRound(cell.width * scale)),
                      std::max(1, cvRound(cell.height * scale)));
  cv::Mat image;
  cv::resize(source, image, size, 0, 0, scale > 1 ? cv::INTER_CUBIC : cv::INTER_AREA);
  if (!cell.labels.empty()) {
    lay_over(image, enlarged_labels(cell.labels.data(), cell.height, cell.width, size), palette);
  }
  image.copyTo(
      page(cv::Rect((side - size.width) / 2, (side - size.height) / 2, size.width, size.height)));
}

/// The classes in named cells, sorted by id.
std::vector<Legend::Entry> classes_seen(const std::vector<SheetRow>& rows,
                                        const std::vector<std::string>& names,
                                        const std::vector<Color>& palette) {
  std::set<int32_t> seen;
  for (const SheetRow& row : rows) {
    for (const SheetCell& cell : row.cells) {
      if (cell.named) seen.insert(cell.labels.begin(), cell.labels.end());
    }
  }
  std::vector<Legend::Entry> entries;
  for (const int32_t id : seen) {
    const auto place = static_cast<size_t>(id);
    if (is_label(id, palette) && place < names.size()) {
      entries.push_back({palette[place % palette.size()], drawable(names[place], place)});
    }
  }
  return entries;
}

}  // namespace

void write_sheet(const std::filesystem::path& path, const std::vector<SheetRow>& rows,
                 const std::vector<std::string>& column_titles,
                 const std::vector<std::string>& names, const std::vector<Color>& palette,
                 int cell_side) {
  bool notes = false;
  size_t columns = std::max<size_t>(1, column_titles.size());
  for (const SheetRow& row : rows) {
    columns = std::max(columns, row.cells.size());
    for (const SheetCell& cell : row.cells) {
      if (!cell.rgb.empty()) check(cell);
      notes |= !cell.note.empty();
    }
  }
  if (palette.empty() || cell_side < 8)
    fail(path.string(), ": a sheet needs colors and cells of at least 8 pixels");
  const Lettering letters(15), small_letters(12);
  const int width = kGap + static_cast<int>(columns) * (cell_side + kGap);
  const Legend legend(classes_seen(rows, names, palette), letters, width - 2 * kGap);
  const int row_height = cell_side + kGap + (notes ? kNoteHeight : 0);
  const int legend_top = kTitleHeight + static_cast<int>(rows.size()) * row_height;
  const int height = legend_top + (legend.height() > 0 ? legend.height() + kGap : 0);
  cv::Mat page(height, width, CV_8UC3, kPaper);
  const auto left = [&](size_t column) {
    return kGap + static_cast<int>(column) * (cell_side + kGap);
  };
  for (size_t c = 0; c < column_titles.size(); ++c) {
    // Shrink a title that is wider than its column.
    const double fit =
        std::min(1.0, double(cell_side) / std::max(1, letters.width(column_titles[c])));
    Lettering(15 * fit).draw(page, column_titles[c], {left(c), kTitleHeight / 2});
  }
  for (size_t r = 0; r < rows.size(); ++r) {
    const int top = kTitleHeight + static_cast<int>(r) * row_height;
    for (size_t c = 0; c < rows[r].cells.size(); ++c) {
      const SheetCell& cell = rows[r].cells[c];
      draw_cell(page(cv::Rect(left(c), top, cell_side, cell_side)), cell, palette, cell_side);
      small_letters.draw(page, cell.note, {left(c), top + cell_side + kNoteHeight / 2});
    }
  }
  legend.draw(page, {kGap, legend_top});
  write_png(path, to_image(page));
}

}  // namespace pixelclip
