#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "evaluation/report.hpp"
#include "image/image.hpp"
#include "visualization/palette.hpp"

// Parts that the HTML pages share.

namespace pixelclip {

/// What the fingerprint of a result tells, below a table.
extern const char* const kFingerprintNote;

/// Text with the characters escaped that HTML reserves.
std::string escaped(const std::string& text);

/// A number with so many decimals; "–" for NaN.
std::string shown(double value, int decimals);

/// A table cell that sorts by its value.
std::string cell(double value, int decimals, const std::string& unit = "");

/// The head of a sortable table; the columns named in `texts` hold words.
std::string table_head(const std::vector<std::string>& heads,
                       const std::set<std::string>& texts = {});

/// The start of a table that scrolls where it finds no room; `kind` is "", " tall" or " first"
/// (the first column stays), or both.
std::string open_table(const std::string& label, const std::string& kind, const std::string& head);

/// Rows of texts, the first the head, as a table; numbers sort as such.
std::string text_table(const std::string& label, const std::vector<TableRow>& rows);

using Paint = std::function<Color(size_t pixel, uint8_t gray)>;

/// The image in gray, each pixel painted.
Image painted(const Image& image, const Paint& paint);

/// `share` of the color over the gray image.
Color over(const Color& color, double share, uint8_t gray);

/// The image in gray with the color of each pixel's class over it; other pixels are darkened.
Image painted_labels(const Image& image, const LabelMap& labels, const std::vector<Color>& colors);

/// A figure that opens large: `caption` of the image `of`.
std::string panel(const Image& image, const std::string& caption, const std::string& of);

/// An entry of a legend.
std::string swatch(const Color& color, const std::string& name);

struct HtmlPage {
  std::string title = {}, subject = {};
  std::vector<std::pair<std::string, std::string>> links = {};  ///< (id of a section, text)
  std::string body = {};                                        ///< Sections.
};

/// Writes a page that needs no other file.
void write_html_page(const std::filesystem::path& path, const HtmlPage& page);

}  // namespace pixelclip
