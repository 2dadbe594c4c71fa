#include "pixelclip/evaluation/sheet.hpp"

#include <algorithm>
#include <opencv2/imgproc.hpp>
#include <set>

#include "pixelclip/base/error.hpp"
#include "pixelclip/image/codec.hpp"

namespace pixelclip {
namespace {

constexpr int gap = 12, title_height = 34, note_height = 24, legend_line = 30, swatch = 18;
const cv::Scalar paper(255, 255, 255), ink(40, 40, 40);

cv::Scalar scalar(const Color& color) { return {double(color.red), double(color.green), double(color.blue)}; }

/// Text with its left end and vertical middle at `at`. OpenCV's letters are lines: drawn four times
/// as large and shrunk they look like print.
class Lettering {
 public:
  explicit Lettering(double pixels) : scale_(pixels / 22.0) {}

  int width(const std::string& text) const {
    int baseline = 0;
    return cv::getTextSize(text, font, scale_, 1, &baseline).width;
  }

  void draw(cv::Mat& page, const std::string& text, cv::Point at) const {
    if (text.empty()) return;
    int baseline = 0;
    const cv::Size size = cv::getTextSize(text, font, zoom * scale_, thickness, &baseline);
    cv::Mat large(size.height + 4 * zoom * 3, size.width + 2 * zoom, CV_8UC1, cv::Scalar(0));
    cv::putText(large, text, {zoom, size.height + 2 * zoom}, font, zoom * scale_, cv::Scalar(255),
                thickness, cv::LINE_AA);
    cv::Mat small;
    cv::resize(large, small, {}, 1.0 / zoom, 1.0 / zoom, cv::INTER_AREA);
    const cv::Rect wanted(at.x, at.y - size.height / (2 * zoom) - 2, small.cols, small.rows);
    const cv::Rect seen = wanted & cv::Rect(0, 0, page.cols, page.rows);
    if (seen.empty()) return;
    cv::Mat target = page(seen), alpha;
    cv::cvtColor(small(seen - wanted.tl()), alpha, cv::COLOR_GRAY2RGB);
    const cv::Mat colored(target.size(), CV_8UC3, ink);
    cv::Mat inverse = cv::Scalar(255, 255, 255) - alpha;
    target = target.mul(inverse, 1.0 / 255) + colored.mul(alpha, 1.0 / 255);
  }

 private:
  static constexpr int font = cv::FONT_HERSHEY_DUPLEX, zoom = 4, thickness = 4;
  double scale_;
};

bool is_label(int32_t id) { return id >= 0 && id != 255; }

cv::Mat enlarged_labels(const SheetCell& cell, cv::Size size) {
  const cv::Mat labels(cell.height, cell.width, CV_32SC1, const_cast<int32_t*>(cell.labels.data()));
  cv::Mat floats, out;  // OpenCV's nearest resize takes no 32-bit integers
  labels.convertTo(floats, CV_32F);
  cv::resize(floats, floats, size, 0, 0, cv::INTER_NEAREST);
  floats.convertTo(out, CV_32S);
  return out;
}

/// Colours the labelled pixels half, so that the picture's texture shows, and draws a white line where
/// two labels meet.
void overlay(cv::Mat& picture, const cv::Mat& labels, const std::vector<Color>& palette) {
  constexpr double share = 0.6;
  cv::Mat grey;
  cv::cvtColor(picture, grey, cv::COLOR_RGB2GRAY);
  for (int y = 0; y < picture.rows; ++y) {
    for (int x = 0; x < picture.cols; ++x) {
      const int32_t id = labels.at<int32_t>(y, x);
      const bool edge = (x + 1 < picture.cols && labels.at<int32_t>(y, x + 1) != id) ||
                        (y + 1 < picture.rows && labels.at<int32_t>(y + 1, x) != id);
      auto& pixel = picture.at<cv::Vec3b>(y, x);
      if (edge) {
        pixel = {255, 255, 255};
      } else if (is_label(id)) {
        const Color& color = palette[static_cast<size_t>(id) % palette.size()];
        const double light = (1 - share) * grey.at<uint8_t>(y, x);
        pixel = {cv::saturate_cast<uint8_t>(share * color.red + light),
                 cv::saturate_cast<uint8_t>(share * color.green + light),
                 cv::saturate_cast<uint8_t>(share * color.blue + light)};
      }
    }
  }
}

void check(const SheetCell& cell) {
  const size_t pixels = static_cast<size_t>(std::max(cell.width, 0)) * static_cast<size_t>(std::max(cell.height, 0));
  if (pixels == 0 || cell.rgb.size() != 3 * pixels || (!cell.labels.empty() && cell.labels.size() != pixels)) {
    fail("a picture of a sheet has ", cell.rgb.size(), " bytes and ", cell.labels.size(),
         " labels for ", cell.width, "x", cell.height, " pixels");
  }
}

/// Fits the picture into side × side, centred.
void draw_cell(cv::Mat page, const SheetCell& cell, const std::vector<Color>& palette, int side) {
  if (cell.rgb.empty()) return;
  const cv::Mat source(cell.height, cell.width, CV_8UC3, const_cast<uint8_t*>(cell.rgb.data()));
  const double scale = double(side) / std::max(cell.width, cell.height);
  const cv::Size size(std::max(1, cvRound(cell.width * scale)), std::max(1, cvRound(cell.height * scale)));
  cv::Mat picture;
  cv::resize(source, picture, size, 0, 0, scale > 1 ? cv::INTER_CUBIC : cv::INTER_AREA);
  if (!cell.labels.empty()) overlay(picture, enlarged_labels(cell, size), palette);
  picture.copyTo(page(cv::Rect((side - size.width) / 2, (side - size.height) / 2, size.width, size.height)));
}

/// Ids of named cells, ascending.
std::vector<int32_t> ids_seen(const std::vector<SheetRow>& rows, size_t names) {
  std::set<int32_t> seen;
  for (const SheetRow& row : rows) {
    for (const SheetCell& cell : row.cells) {
      if (cell.named) seen.insert(cell.labels.begin(), cell.labels.end());
    }
  }
  std::vector<int32_t> ids;
  for (const int32_t id : seen) {
    if (is_label(id) && static_cast<size_t>(id) < names) ids.push_back(id);
  }
  return ids;
}

struct LegendEntry {
  int32_t id;
  cv::Point at;  ///< left end and middle, from the legend's corner
};

std::vector<LegendEntry> lay_out_legend(const std::vector<int32_t>& ids, const std::vector<std::string>& names,
                                        const Lettering& letters, int width) {
  int widest = 0;
  for (const int32_t id : ids) widest = std::max(widest, letters.width(names[static_cast<size_t>(id)]));
  const int step = swatch + 8 + widest + 20;
  const int columns = std::max(1, width / step);
  std::vector<LegendEntry> entries;
  for (size_t i = 0; i < ids.size(); ++i) {
    const int place = static_cast<int>(i);
    entries.push_back({ids[i], {place % columns * step, place / columns * legend_line + legend_line / 2}});
  }
  return entries;
}

Image to_image(const cv::Mat& page) {
  Image image(page.rows, page.cols, 3);
  for (int y = 0; y < page.rows; ++y) std::copy_n(page.ptr(y), image.stride(), image.row(y));
  return image;
}

}  // namespace

void write_sheet(const std::filesystem::path& path, const std::vector<SheetRow>& rows,
                 const std::vector<std::string>& column_titles, const std::vector<std::string>& names,
                 const std::vector<Color>& palette, int cell_side) {
  bool notes = false;
  size_t columns = std::max<size_t>(1, column_titles.size());
  for (const SheetRow& row : rows) {
    columns = std::max(columns, row.cells.size());
    for (const SheetCell& cell : row.cells) {
      if (!cell.rgb.empty()) check(cell);
      notes |= !cell.note.empty();
    }
  }
  if (palette.empty() || cell_side < 8) fail(path.string(), ": a sheet needs colours and cells of at least 8 pixels");
  const Lettering letters(15), small_letters(12);
  const int width = gap + static_cast<int>(columns) * (cell_side + gap);
  const auto legend = lay_out_legend(ids_seen(rows, names.size()), names, letters, width - 2 * gap);
  const int row_height = cell_side + gap + (notes ? note_height : 0);
  const int legend_top = title_height + static_cast<int>(rows.size()) * row_height;
  const int height = legend_top + (legend.empty() ? 0 : legend.back().at.y + legend_line / 2 + gap);
  cv::Mat page(height, width, CV_8UC3, paper);
  const auto left = [&](size_t column) { return gap + static_cast<int>(column) * (cell_side + gap); };
  for (size_t c = 0; c < column_titles.size(); ++c) {
    // A title wider than its column is written smaller.
    const double fit = std::min(1.0, double(cell_side) / std::max(1, letters.width(column_titles[c])));
    Lettering(15 * fit).draw(page, column_titles[c], {left(c), title_height / 2});
  }
  for (size_t r = 0; r < rows.size(); ++r) {
    const int top = title_height + static_cast<int>(r) * row_height;
    for (size_t c = 0; c < rows[r].cells.size(); ++c) {
      const SheetCell& cell = rows[r].cells[c];
      draw_cell(page(cv::Rect(left(c), top, cell_side, cell_side)), cell, palette, cell_side);
      small_letters.draw(page, cell.note, {left(c), top + cell_side + note_height / 2});
    }
  }
  for (const LegendEntry& entry : legend) {
    const cv::Point at = entry.at + cv::Point(gap, legend_top);
    const Color& color = palette[static_cast<size_t>(entry.id) % palette.size()];
    cv::rectangle(page, cv::Rect(at.x, at.y - swatch / 2, swatch, swatch), scalar(color), cv::FILLED);
    letters.draw(page, names[static_cast<size_t>(entry.id)], at + cv::Point(swatch + 8, 0));
  }
  write_png(path, to_image(page));
}

}  // namespace pixelclip
