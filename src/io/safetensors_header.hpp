#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace pixelclip::io {

/// One tensor's line in a safetensors header, not yet checked against the file.
struct HeaderEntry {
  std::string name, dtype;
  std::vector<uint64_t> shape;
  uint64_t begin = 0, end = 0;  ///< bytes after the header
};

struct SafetensorsHeader {
  std::vector<HeaderEntry> entries;
  std::map<std::string, std::string> metadata;
};

/// Parses the JSON without building a tree of it, so that memory stays in proportion to what the
/// header may hold. Errors: anything that is not of the format, names that are there twice.
SafetensorsHeader parse_safetensors_header(std::span<const uint8_t> json, const std::string& file);

}  // namespace pixelclip::io
