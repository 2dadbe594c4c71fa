#pragma once

#include <cstdint>
#include <ostream>
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
  uint32_t crc = 0;     ///< as the archive states it
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
  /// Compares the checksums of all stored records, on all cores. Zero stands for a checksum that
  /// the writer did not compute. Errors: the first record that is damaged.
  void verify() const;

 private:
  MappedFile file_;
  std::vector<ZipRecord> records_;
  std::unordered_map<std::string_view, size_t> by_name_;
};

/// True when the bytes begin as a zip archive does.
bool looks_like_zip(std::span<const uint8_t> bytes);

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
