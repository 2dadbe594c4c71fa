#include "io/zip_reader.hpp"

#include <zlib.h>

#include <algorithm>
#include <cstring>

#include "base/error.hpp"
#include "base/parallel.hpp"

// Numbers in comments are the sections of PKWARE's APPNOTE 6.3.

namespace pixelclip {
namespace {

constexpr uint64_t kLocalHeader = 30, kCentralHeader = 46, kEnd = 22, kEnd64 = 56, kLocator64 = 20;
constexpr uint32_t kFull32 = 0xFFFFFFFF;

/// Little-endian numbers of a file at an offset, checked against its end.
class Cursor {
 public:
  Cursor(const MappedFile& file, uint64_t offset, uint64_t size, const char* what)
      : bytes_(file.range(offset, size, what)) {}

  template <typename T>
  T at(size_t offset) const {
    T value;
    std::memcpy(&value, bytes_.data() + offset, sizeof(T));
    return value;
  }
  uint64_t u16(size_t offset) const { return at<uint16_t>(offset); }
  uint64_t u32(size_t offset) const { return at<uint32_t>(offset); }
  uint64_t u64(size_t offset) const { return at<uint64_t>(offset); }

 private:
  std::span<const uint8_t> bytes_;
};

struct Directory {
  uint64_t offset, size, count;
  uint64_t end;  ///< where the records that follow the directory begin
};

[[noreturn]] void corrupt(const MappedFile& file, const std::string& what) {
  fail(file.path().string(), ": the zip archive is cut short or corrupt: ", what,
       "; copy or download the file again");
}

/// The last record of the file (4.3.16), found backwards over the archive's comment.
uint64_t find_end(const MappedFile& file) {
  const uint64_t size = file.bytes().size();
  if (size >= kEnd) {
    const uint64_t lowest = size - std::min<uint64_t>(size, kEnd + 0xFFFF);
    for (uint64_t at = size - kEnd + 1; at-- > lowest;) {
      const Cursor end(file, at, kEnd, "the end record");
      if (end.u32(0) == 0x06054b50 && at + kEnd + end.u16(20) == size) return at;
    }
  }
  corrupt(file, "its directory at the end of the file is missing");
}

Directory find_directory(const MappedFile& file) {
  const uint64_t at = find_end(file);
  const Cursor end(file, at, kEnd, "the end record");
  Directory directory{end.u32(16), end.u32(12), end.u16(10), at};
  uint64_t disks = end.u16(4) | end.u16(6);
  uint64_t count_here = end.u16(8);
  const bool short_form_is_full =
      directory.offset == kFull32 || directory.size == kFull32 || directory.count == 0xFFFF;
  // PyTorch's writer adds the ZIP64 records (4.3.14, 4.3.15) to small archives too.
  if (at >= kLocator64 && Cursor(file, at - kLocator64, 4, "").u32(0) == 0x07064b50) {
    const Cursor locator(file, at - kLocator64, kLocator64, "the ZIP64 locator");
    const uint64_t at64 = locator.u64(8);
    const Cursor end64(file, at64, kEnd64, "the ZIP64 end record");
    if (end64.u32(0) != 0x06064b50 || at64 > at - kLocator64 - kEnd64) {
      corrupt(file, "its ZIP64 end record is not where it should be");
    }
    disks = end64.u32(16) | end64.u32(20);
    count_here = end64.u64(24);
    directory = {end64.u64(48), end64.u64(40), end64.u64(32), at64};
  } else if (short_form_is_full) {
    corrupt(file, "its ZIP64 end record is missing");
  }
  if (disks != 0 || count_here != directory.count) corrupt(file, "it is split over several files");
  if (directory.offset > directory.end || directory.size != directory.end - directory.offset) {
    corrupt(file, str("its directory would lie at bytes ", directory.offset, " + ", directory.size,
                      ", but ends at ", directory.end));
  }
  if (directory.count > directory.size / kCentralHeader) {
    corrupt(file, str("its directory is too small for ", directory.count, " records"));
  }
  return directory;
}

/// Sizes and offset that do not fit 32 bits stand in an extra field, in this order (4.5.3).
void read_zip64(const MappedFile& file, uint64_t at, uint64_t length, uint64_t& unpacked,
                uint64_t& packed, uint64_t& header) {
  uint64_t* const wanted[] = {&unpacked, &packed, &header};
  const bool needed = std::any_of(std::begin(wanted), std::end(wanted),
                                  [](const uint64_t* value) { return *value == kFull32; });
  if (!needed) return;
  const Cursor extra(file, at, length, "an extra field");
  for (uint64_t field = 0; field + 4 <= length;) {
    const uint64_t id = extra.u16(field), size = extra.u16(field + 2);
    uint64_t value = field + 4;
    const uint64_t next = value + size;
    if (next > length) break;
    if (id == 1) {
      for (uint64_t* number : wanted) {
        if (*number != kFull32) continue;
        if (value + 8 > next) corrupt(file, "a ZIP64 field is too short");
        *number = extra.u64(value);
        value += 8;
      }
      return;
    }
    field = next;
  }
  corrupt(file, "a ZIP64 field is missing");
}

/// Reads the directory's entry at `at` into `record`, whose offset becomes that of the local
/// header; returns where the next entry begins.
uint64_t read_entry(const MappedFile& file, const Directory& directory, uint64_t at,
                    ZipRecord& record) {
  if (directory.end - at < kCentralHeader) corrupt(file, "its directory ends early");
  const Cursor entry(file, at, kCentralHeader, "a directory entry");
  if (entry.u32(0) != 0x02014b50) corrupt(file, "its directory holds something else");
  const uint64_t name = entry.u16(28), extra = entry.u16(30), comment = entry.u16(32);
  const uint64_t next = at + kCentralHeader + name + extra + comment;
  if (next > directory.end) corrupt(file, "its directory ends early");
  const auto name_bytes = file.range(at + kCentralHeader, name, "a record's name");
  record.name.assign(reinterpret_cast<const char*>(name_bytes.data()), name);
  record.crc = entry.at<uint32_t>(16);
  uint64_t packed = entry.u32(20), unpacked = entry.u32(24), header = entry.u32(42);
  read_zip64(file, at + kCentralHeader + name, extra, unpacked, packed, header);
  const std::string quoted = "record '" + printable(record.name) + "' ";
  if (entry.u16(8) & 1) fail(file.path().string(), ": ", quoted, "is encrypted");
  record.stored = entry.u16(10) == 0;
  if (record.stored && packed != unpacked) corrupt(file, quoted + "has two different sizes");
  record.size = packed;
  record.offset = header;
  return next;
}

/// Moves the record's offset from its local header (4.3.7) to its bytes.
void skip_local_header(const MappedFile& file, const Directory& directory, ZipRecord& record) {
  const std::string quoted = "record '" + printable(record.name) + "' ";
  if (record.offset > directory.offset || directory.offset - record.offset < kLocalHeader) {
    corrupt(file, quoted + "lies outside the archive");
  }
  const Cursor header(file, record.offset, kLocalHeader, "a local header");
  const uint64_t name = header.u16(26), extra = header.u16(28);
  const uint64_t head = kLocalHeader + name + extra;
  const uint64_t room = directory.offset - record.offset;
  if (header.u32(0) != 0x04034b50 || head > room) corrupt(file, quoted + "has no local header");
  const auto local_name = file.range(record.offset + kLocalHeader, name, "a record's name");
  const bool same_name =
      std::equal(local_name.begin(), local_name.end(), record.name.begin(), record.name.end(),
                 [](uint8_t a, char b) { return a == static_cast<uint8_t>(b); });
  if (!same_name || (header.u16(8) == 0) != record.stored) {
    corrupt(file, quoted + "differs from its local header");
  }
  if (record.size > room - head) corrupt(file, quoted + "lies outside the archive");
  record.offset += head;
}

void refuse_overlaps(const MappedFile& file, std::vector<const ZipRecord*> records,
                     const std::vector<uint64_t>& headers, const ZipRecord* first) {
  std::sort(records.begin(), records.end(),
            [](const ZipRecord* a, const ZipRecord* b) { return a->offset < b->offset; });
  for (size_t i = 1; i < records.size(); ++i) {
    if (records[i - 1]->offset + records[i - 1]->size > headers[records[i] - first]) {
      corrupt(file, "records '" + printable(records[i - 1]->name) + "' and '" +
                        printable(records[i]->name) + "' overlap");
    }
  }
}

}  // namespace

bool looks_like_zip(std::span<const uint8_t> bytes) {
  return bytes.size() >= 4 && bytes[0] == 'P' && bytes[1] == 'K' &&
         ((bytes[2] == 3 && bytes[3] == 4) || (bytes[2] == 5 && bytes[3] == 6));
}

ZipReader::ZipReader(MappedFile file) : file_(std::move(file)) {
  const Directory directory = find_directory(file_);
  records_.resize(directory.count);
  std::vector<uint64_t> headers;
  std::vector<const ZipRecord*> order;
  uint64_t at = directory.offset;
  for (auto& record : records_) {
    at = read_entry(file_, directory, at, record);
    headers.push_back(record.offset);
    order.push_back(&record);
    skip_local_header(file_, directory, record);
    if (!by_name_.emplace(record.name, by_name_.size()).second) {
      corrupt(file_, "record '" + printable(record.name) + "' is there twice");
    }
  }
  if (at != directory.end) corrupt(file_, "its directory is longer than its entries");
  refuse_overlaps(file_, std::move(order), headers, records_.data());
}

const ZipRecord* ZipReader::find(std::string_view name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : &records_[found->second];
}

std::span<const uint8_t> ZipReader::bytes(const ZipRecord& record) const {
  if (!record.stored) {
    fail(file_.path().string(), ": record '", printable(record.name),
         "' is compressed, which torch.save never does; load and save the file again in Python");
  }
  return file_.range(record.offset, record.size, "a record");
}

void ZipReader::verify() const {
  struct Chunk {
    const ZipRecord* record;
    std::span<const uint8_t> bytes;
    uLong sum;
  };
  std::vector<Chunk> chunks;
  uint64_t total = 0;
  for (const auto& record : records_) {
    if (!record.stored || record.crc == 0) continue;
    for (auto rest = bytes(record); !rest.empty();) {
      const size_t size = std::min<size_t>(rest.size(), 4 << 20);
      chunks.push_back({&record, rest.first(size), 0});
      rest = rest.subspan(size);
      total += size;
    }
  }
  const int threads = total > (16 << 20) ? 0 : 1;
  parallel_for(static_cast<int64_t>(chunks.size()), threads, [&](int64_t i) {
    chunks[i].sum = crc32_z(0, chunks[i].bytes.data(), chunks[i].bytes.size());
  });
  uLong sum = 0;
  for (size_t i = 0; i < chunks.size(); ++i) {
    const auto length = static_cast<z_off_t>(chunks[i].bytes.size());
    const bool first = i == 0 || chunks[i - 1].record != chunks[i].record;
    const bool last = i + 1 == chunks.size() || chunks[i + 1].record != chunks[i].record;
    sum = first ? chunks[i].sum : crc32_combine(sum, chunks[i].sum, length);
    if (last && sum != chunks[i].record->crc) {
      corrupt(file_, "record '" + printable(chunks[i].record->name) +
                         "' is damaged (its checksum differs)");
    }
  }
}

}  // namespace pixelclip
