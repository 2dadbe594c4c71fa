#pragma once

#include <cstdint>
#include <ostream>
#include <span>
#include <string>
#include <vector>

namespace pixelclip {

/// Writes a zip archive of stored records, each starting at a multiple of 64 bytes, to a stream
/// that stands at its beginning. Large sizes take the ZIP64 form.
class ZipWriter {
 public:
  /// `zip64_from` is the first value that does not fit the short form (smaller only in tests).
  explicit ZipWriter(std::ostream& out, uint64_t zip64_from = 0xFFFFFFFF)
      : out_(out), zip64_from_(zip64_from) {}

  void add(const std::string& name, std::span<const uint8_t> bytes);
  /// Writes the directory; nothing can be added afterwards.
  void finish();

 private:
  struct Written {
    std::string name;
    uint64_t header, size;
    uint32_t crc;
  };
  void write(const std::string& bytes);

  std::ostream& out_;
  uint64_t zip64_from_;
  uint64_t position_ = 0;
  std::vector<Written> written_;
};

}  // namespace pixelclip
