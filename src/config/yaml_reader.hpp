#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "config/value.hpp"

namespace pixelclip::config {

/// Throws at the first byte that is not UTF-8 text (control characters are not), with its place.
void check_is_text(const std::string& text, const std::string& name);

/// Reads one YAML document; plain words may be Python literals such as (640, 640). Every place is
/// "name:line:column", from 1. Errors: broken YAML, duplicate keys, more than one document, bytes
/// that are no UTF-8 text, tags that would make objects, more than a megabyte, values nested too
/// deep or, through aliases, too many.
Value parse_yaml(const std::string& text, const std::string& name);

/// The file at `path` and the files its `_BASE_` names (relative to it; a text or a list), in the
/// order in which they apply: bases first. `_BASE_` itself is taken out. Errors: a cycle, a missing
/// file, those of parse_yaml.
std::vector<Value> read_yaml_chain(const std::filesystem::path& path);

}  // namespace pixelclip::config
