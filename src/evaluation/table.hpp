#pragma once

#include <ostream>
#include <string>
#include <vector>

namespace pixelclip {

/// Rows of texts; of a table the first row holds the headings.
using TableRow = std::vector<std::string>;

/// Whether the text is a number, alone or before a blank: "12.3", "7 %", "nan", "45.1 (44.0)".
bool is_number(const std::string& text);

/// Columns side by side for the log. Columns of numbers end flush, the others begin so.
std::string plain_table(const std::vector<TableRow>& rows);
/// A Markdown table, aligned in the same way.
void write_markdown(std::ostream& out, const std::vector<TableRow>& rows);
/// Comma-separated values; texts with commas, quotes or line ends stand in quotes.
void write_csv(std::ostream& out, const std::vector<TableRow>& rows);

}  // namespace pixelclip
