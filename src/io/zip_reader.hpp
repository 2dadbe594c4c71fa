#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/file.hpp"

namespace pixelclip {

/// A record of a zip archive.
struct ZipRecord {
  std::string name;
  uint64_t offset = 0;  ///< of its bytes in the file
  uint64_t size = 0;    ///< in the file
  uint32_t crc = 0;     ///< as given in the archive
  bool stored = false;  ///< false: compressed
};

/// The directory of a zip archive (PKWARE APPNOTE 6.3, with ZIP64), checked as a whole before any
/// record is used: every record inside the file, none overlapping another, each name once, and each
/// local header in agreement with the directory.
class ZipReader {
 public:
  explicit ZipReader(MappedFile file);
  // The index points into the records' names.
  ZipReader(const ZipReader&) = delete;
  ZipReader& operator=(const ZipReader&) = delete;

  const std::vector<ZipRecord>& records() const { return records_; }
  const MappedFile& file() const { return file_; }
  /// The record of that name, or null.
  const ZipRecord* find(std::string_view name) const;
  /// A record's bytes. Errors: it is compressed, which would allow archives that unpack to any
  /// size.
  std::span<const uint8_t> bytes(const ZipRecord& record) const;
  /// Verifies the checksums of all stored records, on all cores. Zero means that the writer
  /// computed no checksum. Errors: the first damaged record.
  void verify() const;

 private:
  MappedFile file_;
  std::vector<ZipRecord> records_;
  std::unordered_map<std::string_view, size_t> by_name_;
};

/// Whether the bytes begin like a zip archive.
bool looks_like_zip(std::span<const uint8_t> bytes);

}  // namespace pixelclip
