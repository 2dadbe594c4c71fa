#include "data/archive_index.hpp"

#include <zlib.h>

#include <cstring>

namespace pixelclip {
namespace {

constexpr char kMagic[8] = {'P', 'X', 'L', 'I', 'N', 'D', 'X', '1'};

struct Header {
  char magic[8];
  uint64_t source_size;
  int64_t source_time;
  int64_t images_alone, annotations_alone;
  uint64_t pairs, names;  // entries, bytes of names
  uint64_t checksum;      // CRC-32 of what follows
};

struct Entry {
  uint64_t image_at, masks_at;
  uint32_t image_size, masks_size;
  uint16_t image_length, annotation_length;  // of their names
  uint32_t unused;
};

uint64_t checksum(const void* data, size_t size, uint64_t before) {
  return crc32_z(static_cast<uLong>(before), static_cast<const Bytef*>(data), size);
}

bool inside(uint64_t offset, uint64_t size, uint64_t end) {
  return offset <= end && size <= end - offset;
}

}  // namespace

void write_index(const ArchiveContents& contents, const ArchiveSource& source, std::ostream& out) {
  std::vector<Entry> entries;
  std::string names;
  entries.reserve(contents.pairs.size());
  for (const ArchivePair& pair : contents.pairs) {
    entries.push_back({pair.image_at, pair.masks_at, pair.image_size, pair.masks_size,
                       static_cast<uint16_t>(pair.image.size()),
                       static_cast<uint16_t>(pair.annotation.size()), 0});
    names += pair.image;
    names += pair.annotation;
  }
  Header header{};
  std::memcpy(header.magic, kMagic, sizeof(kMagic));
  header.source_size = source.size;
  header.source_time = source.time;
  header.images_alone = contents.images_alone;
  header.annotations_alone = contents.annotations_alone;
  header.pairs = entries.size();
  header.names = names.size();
  const size_t bytes = entries.size() * sizeof(Entry);
  header.checksum = checksum(names.data(), names.size(), checksum(entries.data(), bytes, 0));
  out.write(reinterpret_cast<const char*>(&header), sizeof(header));
  out.write(reinterpret_cast<const char*>(entries.data()), static_cast<std::streamsize>(bytes));
  out.write(names.data(), static_cast<std::streamsize>(names.size()));
}

std::optional<ArchiveIndex> parse_index(std::span<const uint8_t> bytes, uint64_t archive_size) {
  Header header;
  if (bytes.size() < sizeof(header)) return {};
  std::memcpy(&header, bytes.data(), sizeof(header));
  const auto rest = bytes.subspan(sizeof(header));
  if (std::memcmp(header.magic, kMagic, sizeof(kMagic)) != 0 ||
      header.pairs > rest.size() / sizeof(Entry) ||
      header.names != rest.size() - header.pairs * sizeof(Entry) ||
      header.checksum != checksum(rest.data(), rest.size(), 0)) {
    return {};
  }
  ArchiveIndex index{{{}, header.images_alone, header.annotations_alone},
                     {header.source_size, header.source_time}};
  const auto* names = reinterpret_cast<const char*>(rest.data() + header.pairs * sizeof(Entry));
  uint64_t at = 0;
  index.contents.pairs.reserve(header.pairs);
  for (uint64_t i = 0; i < header.pairs; ++i) {
    Entry entry;
    std::memcpy(&entry, rest.data() + i * sizeof(Entry), sizeof(entry));
    const uint64_t end = at + entry.image_length + entry.annotation_length;
    if (end > header.names || !inside(entry.image_at, entry.image_size, archive_size) ||
        !inside(entry.masks_at, entry.masks_size, archive_size)) {
      return {};
    }
    index.contents.pairs.push_back({{names + at, entry.image_length},
                                    {names + at + entry.image_length, entry.annotation_length},
                                    entry.image_at,
                                    entry.masks_at,
                                    entry.image_size,
                                    entry.masks_size});
    at = end;
  }
  return index;
}

}  // namespace pixelclip
