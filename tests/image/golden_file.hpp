#pragma once

#include <cstring>
#include <nlohmann/json.hpp>
#include <string>

#include "base/file.hpp"

namespace pixelclip::testing {

/// The tensors of a safetensors file as bytes.
class GoldenFile {
 public:
  explicit GoldenFile(const std::filesystem::path& path) : file_(path) {
    uint64_t size = 0;
    std::memcpy(&size, file_.range(0, 8, "header size").data(), 8);
    const auto header = file_.range(8, size, "header");
    entries_ = parse_json({reinterpret_cast<const char*>(header.data()), size}, path.string());
    start_ = 8 + size;
  }
  std::span<const uint8_t> bytes(const std::string& name) const {
    const auto& offsets = entries_.at(name).at("data_offsets");
    const uint64_t begin = offsets[0], end = offsets[1];
    return file_.range(start_ + begin, end - begin, "tensor");
  }

 private:
  MappedFile file_;
  nlohmann::json entries_;
  uint64_t start_ = 0;
};

}  // namespace pixelclip::testing
