#include "io/zip_writer.hpp"

#include <zlib.h>

#include <algorithm>

#include "base/error.hpp"

namespace pixelclip {
namespace {

constexpr uint64_t kAlignment = 64;
constexpr uint16_t kUtf8Names = 1 << 11;

/// Little-endian numbers appended to a string.
class Fields {
 public:
  Fields& u16(uint64_t value) { return put(value, 2); }
  Fields& u32(uint64_t value) { return put(value, 4); }
  Fields& u64(uint64_t value) { return put(value, 8); }
  Fields& text(const std::string& value) {
    bytes_ += value;
    return *this;
  }
  const std::string& bytes() const { return bytes_; }

 private:
  Fields& put(uint64_t value, int size) {
    for (int i = 0; i < size; ++i) bytes_ += static_cast<char>(value >> (8 * i) & 0xFF);
    return *this;
  }
  std::string bytes_;
};

/// The ZIP64 extra field with those of the numbers that do not fit the short form.
std::string zip64_field(std::initializer_list<uint64_t> numbers, uint64_t limit) {
  Fields payload;
  for (const uint64_t number : numbers) {
    if (number >= limit) payload.u64(number);
  }
  if (payload.bytes().empty()) return {};
  return Fields().u16(1).u16(payload.bytes().size()).text(payload.bytes()).bytes();
}

}  // namespace

void ZipWriter::write(const std::string& bytes) {
  out_.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  position_ += bytes.size();
}

void ZipWriter::add(const std::string& name, std::span<const uint8_t> bytes) {
  const uint64_t size = bytes.size();
  const uint64_t short_size = size >= zip64_from_ ? 0xFFFFFFFF : size;
  const auto crc = static_cast<uint32_t>(crc32_z(0, bytes.data(), bytes.size()));
  written_.push_back({name, position_, size, crc});
  const std::string wide = zip64_field({size, size}, zip64_from_);
  // An extra field "FB" of zeros, as PyTorch's own writer adds, moves the bytes to a multiple
  // of 64.
  const uint64_t start = position_ + 30 + name.size() + wide.size() + 4;
  const uint64_t padding = (kAlignment - start % kAlignment) % kAlignment;
  Fields header;
  header.u32(0x04034b50).u16(wide.empty() ? 20 : 45).u16(kUtf8Names).u16(0).u16(0).u16(0x21);
  header.u32(crc).u32(short_size).u32(short_size);
  header.u16(name.size()).u16(wide.size() + 4 + padding).text(name).text(wide);
  header.u16(0x4246).u16(padding).text(std::string(padding, '\0'));
  write(header.bytes());
  out_.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(size));
  position_ += size;
}

void ZipWriter::finish() {
  const uint64_t directory = position_;
  for (const auto& record : written_) {
    const std::string wide = zip64_field({record.size, record.size, record.header}, zip64_from_);
    const uint64_t short_size = record.size >= zip64_from_ ? 0xFFFFFFFF : record.size;
    const uint64_t version = wide.empty() ? 20 : 45;
    Fields entry;
    entry.u32(0x02014b50).u16(version).u16(version).u16(kUtf8Names).u16(0).u16(0).u16(0x21);
    entry.u32(record.crc).u32(short_size).u32(short_size);
    entry.u16(record.name.size()).u16(wide.size()).u16(0).u16(0).u16(0).u32(0);
    entry.u32(record.header >= zip64_from_ ? 0xFFFFFFFF : record.header);
    entry.text(record.name).text(wide);
    write(entry.bytes());
  }
  const uint64_t end = position_, count = written_.size(), size = end - directory;
  if (directory >= zip64_from_ || size >= zip64_from_ ||
      count >= std::min<uint64_t>(zip64_from_, 0xFFFF)) {
    Fields wide;
    wide.u32(0x06064b50).u64(44).u16(45).u16(45).u32(0).u32(0);
    wide.u64(count).u64(count).u64(size).u64(directory);
    wide.u32(0x07064b50).u32(0).u64(end).u32(1);
    write(wide.bytes());
  }
  const uint64_t limit = std::min<uint64_t>(zip64_from_, 0xFFFF);
  const uint64_t short_count = count >= limit ? 0xFFFF : count;
  Fields last;
  last.u32(0x06054b50).u16(0).u16(0).u16(short_count).u16(short_count);
  last.u32(size >= zip64_from_ ? 0xFFFFFFFF : size);
  last.u32(directory >= zip64_from_ ? 0xFFFFFFFF : directory).u16(0);
  write(last.bytes());
}

}  // namespace pixelclip
