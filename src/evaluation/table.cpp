#include "evaluation/table.hpp"

#include <algorithm>
#include <cstdlib>
#include <iomanip>

namespace pixelclip {
namespace {

/// Whether each column below its heading holds numbers, or nothing.
std::vector<bool> numeric_columns(const std::vector<TableRow>& rows) {
  std::vector<bool> numeric(rows.front().size());
  for (size_t c = 1; c < numeric.size(); ++c) {
    const auto holds_text = [&](const TableRow& row) {
      return !row[c].empty() && row[c] != "–" && !is_number(row[c]);
    };
    numeric[c] = std::none_of(rows.begin() + 1, rows.end(), holds_text) &&
                 std::any_of(rows.begin() + 1, rows.end(),
                             [&](const TableRow& row) { return is_number(row[c]); });
  }
  return numeric;
}

/// Characters of UTF-8.
size_t width_of(const std::string& text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

}  // namespace

bool is_number(const std::string& text) {
  char* end = nullptr;
  std::strtod(text.c_str(), &end);
  return end != text.c_str() && (*end == '\0' || *end == ' ');
}

std::string plain_table(const std::vector<TableRow>& rows) {
  const auto numeric = numeric_columns(rows);
  std::vector<size_t> widths(numeric.size());
  for (const TableRow& row : rows) {
    for (size_t c = 0; c < row.size(); ++c) widths[c] = std::max(widths[c], width_of(row[c]));
  }
  std::string text;
  for (size_t r = 0; r < rows.size(); ++r) {
    std::string line, rule;
    for (size_t c = 0; c < widths.size(); ++c) {
      const std::string pad(widths[c] - width_of(rows[r][c]), ' '), gap = c ? "  " : "";
      line += gap + (numeric[c] ? pad + rows[r][c] : rows[r][c] + pad);
      rule += gap + std::string(widths[c], '-');
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + '\n' + (r == 0 ? rule + '\n' : "");
  }
  return text;
}

void write_markdown(std::ostream& out, const std::vector<TableRow>& rows) {
  const auto numeric = numeric_columns(rows);
  for (size_t r = 0; r < rows.size(); ++r) {
    for (const std::string& cell : rows[r]) out << "| " << cell << ' ';
    out << "|\n";
    if (r > 0) continue;
    for (const bool number : numeric) out << (number ? "|--:" : "|---");
    out << "|\n";
  }
}

void write_csv(std::ostream& out, const std::vector<TableRow>& rows) {
  for (const TableRow& row : rows) {
    for (size_t c = 0; c < row.size(); ++c) {
      out << (c ? "," : "");
      if (row[c].find_first_of(",\"\n") == std::string::npos)
        out << row[c];
      else
        out << std::quoted(row[c], '"', '"');
    }
    out << '\n';
  }
}

}  // namespace pixelclip
