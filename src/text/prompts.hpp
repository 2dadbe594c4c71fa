#pragma once

#include <string>
#include <vector>

namespace pixelclip {

/// The sentences class names are put into: a set's name (single, imagenet_select, imagenet, vild)
/// or a text file with one template a line, each with one {} where the name goes (or {category},
/// with {article} for "a" or "an" before it). Errors: neither; a line without a place for the name.
std::vector<std::string> templates(const std::string& name_or_file);

/// The lines of a text file without the spaces around them; a byte order mark is left out. Errors:
/// no such file; text that is not UTF-8, with its line.
std::vector<std::string> read_lines(const std::string& file);

/// The template with the class name in it.
std::string fill_template(const std::string& text_template, const std::string& name);

/// The synonyms in a class name: "person, child" → {"person", "child"}. A comma behind a backslash
/// belongs to the name: "table\, dining" → {"table, dining"}.
std::vector<std::string> split_synonyms(const std::string& name);

/// A class name as people read it: "table\, dining" → "table, dining".
std::string shown_name(const std::string& name);
/// The reverse, for a name that is no list of synonyms.
std::string with_escaped_commas(const std::string& name);

/// The trimmed parts between separators; one behind a backslash separates nothing and stays as it
/// is.
std::vector<std::string> split_names(const std::string& text, char separator);

}  // namespace pixelclip
