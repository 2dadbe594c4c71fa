#pragma once

#include <string>
#include <vector>

namespace pixelclip {

/// The templates of a set (single, imagenet_select, imagenet, vild) or of a text file with one
/// template in each line. A template has one {} for the class name (or {category}, with {article}
/// for "a" or "an" before it). Errors: neither; a line without a place for the name.
std::vector<std::string> templates(const std::string& name_or_file);

/// The trimmed lines of a text file; a byte order mark is skipped. Errors:
/// no such file; text that is not UTF-8, with its line.
std::vector<std::string> read_lines(const std::string& file);

/// The template with the class name in it.
std::string fill_template(const std::string& text_template, const std::string& name);

/// The synonyms in a class name: "person, child" → {"person", "child"}. A comma after a backslash
/// belongs to the name: "table\, dining" → {"table, dining"}.
std::vector<std::string> split_synonyms(const std::string& name);

/// A class name as people read it: "table\, dining" → "table, dining".
std::string shown_name(const std::string& name);
/// The reverse, for a name that is not a list of synonyms.
std::string with_escaped_commas(const std::string& name);

/// The trimmed parts between separators. A separator after a backslash does not split and is kept.
std::vector<std::string> split_names(const std::string& text, char separator);

}  // namespace pixelclip
