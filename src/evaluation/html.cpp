#include "evaluation/html.hpp"

#include <cmath>
#include <iomanip>
#include <span>
#include <sstream>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/text.hpp"
#include "image/codec.hpp"

namespace pixelclip {
namespace {

#include "evaluation/report_page.inc"

}  // namespace

const char* const kFingerprintNote =
    "<p class=\"kind\">Percent. The first half of a fingerprint stands for how a number was "
    "measured, the second for the weights: numbers whose first halves agree can be compared.</p>";

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string shown(double value, int decimals) {
  if (std::isnan(value)) return "–";
  std::ostringstream out;
  out << std::fixed << std::setprecision(decimals) << value;
  return out.str();
}

std::string cell(double value, int decimals, const std::string& unit) {
  return str("<td data-v=\"", std::isnan(value) ? "" : shown(value, 6), "\">",
             shown(value, decimals), std::isnan(value) ? "" : unit, "</td>");
}

std::string table_head(const std::vector<std::string>& heads, const std::set<std::string>& texts) {
  std::string out = "<thead><tr>";
  for (const auto& head : heads) {
    out += str("<th scope=\"col\"", texts.count(head) ? " class=\"text\"" : "", "><button>",
               escaped(head), "</button></th>");
  }
  return out + "</tr></thead>";
}

std::string open_table(const std::string& label, const std::string& kind, const std::string& head) {
  return str("<div class=\"scroll", kind, "\" role=\"region\" tabindex=\"0\" aria-label=\"",
             escaped(label), "\"><table>", head, "<tbody>");
}

std::string text_table(const std::string& label, const std::vector<TableRow>& rows) {
  const std::set<std::string> texts = {"fingerprint", "remarks", "source"};
  std::string out = open_table(label, "", table_head(rows.front(), texts));
  for (const TableRow& row : std::span(rows).subspan(1)) {
    out += "<tr>";
    for (size_t c = 0; c < row.size(); ++c) {
      const bool numeric = c > 0 && !texts.count(rows.front()[c]) && is_number(row[c]);
      const double value = std::strtod(row[c].c_str(), nullptr);
      out += numeric ? str("<td data-v=\"", std::isnan(value) ? "" : shown(value, 6), "\">",
                           escaped(row[c]), "</td>")
                     : str("<td class=\"text\">", rows.front()[c] == "fingerprint" ? "<code>" : "",
                           escaped(row[c]), "</td>");
    }
    out += "</tr>";
  }
  return out + "</tbody></table></div>";
}

Image painted(const Image& image, const Paint& paint) {
  Image out(image.height, image.width, 3);
  for (size_t i = 0; i < out.pixels.size() / 3; ++i) {
    const uint8_t* rgb = &image.pixels[3 * i];
    const Color color =
        paint(i, static_cast<uint8_t>((77 * rgb[0] + 150 * rgb[1] + 29 * rgb[2]) >> 8));
    out.pixels[3 * i] = color.red, out.pixels[3 * i + 1] = color.green,
                   out.pixels[3 * i + 2] = color.blue;
  }
  return out;
}

Color over(const Color& color, double share, uint8_t gray) {
  const auto mix = [&](uint8_t value) {
    return static_cast<uint8_t>(share * value + (1 - share) * gray);
  };
  return {mix(color.red), mix(color.green), mix(color.blue)};
}

std::string panel(const Image& image, const std::string& caption, const std::string& of) {
  return str("<figure><button aria-label=\"enlarge ", escaped(caption + " of " + of),
             "\"><img alt=\"", escaped(of + ": " + caption), "\" width=\"", image.width,
             "\" height=\"", image.height, "\" src=\"data:image/jpeg;base64,",
             base64(encode_jpeg(image, 85)), "\"></button><figcaption>", escaped(caption),
             "</figcaption></figure>");
}

std::string swatch(const Color& color, const std::string& name) {
  std::ostringstream hex;
  hex << '#' << std::hex << std::setfill('0') << std::setw(6)
      << (color.red << 16 | color.green << 8 | color.blue);
  return str("<li><i style=\"background:", hex.str(), "\"></i>", escaped(name), "</li>");
}

Image painted_labels(const Image& image, const LabelMap& labels, const std::vector<Color>& colors) {
  constexpr Color kNone = {0, 0, 0};
  return painted(image, [&](size_t i, uint8_t gray) {
    const int32_t id = labels.ids[i];
    const bool known = id >= 0 && id < static_cast<int32_t>(colors.size());
    return known ? over(colors[id], 0.65, gray) : over(kNone, 0.55, gray);
  });
}

void write_html_page(const std::filesystem::path& path, const HtmlPage& page) {
  write_atomically(path, [&](std::ostream& out) {
    out << "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
           "content=\"width=device-width, initial-scale=1\"><title>"
        << escaped(page.title) << "</title><link rel=\"icon\" href=\"data:,\"><style>" << kPageStyle
        << "</style></head><body><a class=\"skip\" href=\"#" << page.links.front().first
        << "\">to the results</a><header><div><h1>" << escaped(page.title)
        << "</h1><p class=\"subject\">" << escaped(page.subject)
        << "</p></div></header><nav aria-label=\"sections\"><div>";
    for (const auto& [id, text] : page.links)
      out << "<a href=\"#" << id << "\">" << escaped(text) << "</a>";
    out << "<button id=\"theme\">light / dark</button></div></nav><main>" << page.body
        << "</main><dialog aria-label=\"image\"><img alt=\"\"><p><span></span><span><button "
           "id=\"previous\">previous</button> <button id=\"next\">next</button> <button "
           "id=\"close\">close</button></span></p></dialog><script>"
        << kPageScript << "</script></body></html>\n";
  });
}

}  // namespace pixelclip
