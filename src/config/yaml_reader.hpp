#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "config/raw_value.hpp"

namespace pixelclip::config {

/// Errors, with the place: the first byte that is not UTF-8 text; control characters are not text.
void check_is_text(const std::string& text, const std::string& name);

/// Reads one YAML document; plain words may be Python literals such as (640, 640). A place is
/// "name:line:column", counted from 1. Errors: invalid YAML, duplicate keys, more than one
/// document, bytes that are not UTF-8 text, tags that would create objects, more than a megabyte,
/// values nested too deep, too many values through aliases.
RawValue parse_yaml(const std::string& text, const std::string& name);

/// The file at `path` and the files of its `_BASE_` (a text or a list; relative to the file), in
/// the order in which they apply: bases first. `_BASE_` itself is removed. Errors: a cycle, a
/// missing file, those of parse_yaml.
std::vector<RawValue> read_yaml_chain(const std::filesystem::path& path);

}  // namespace pixelclip::config
