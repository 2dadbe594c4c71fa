#pragma once

#include <optional>
#include <ostream>
#include <span>

#include "data/archive.hpp"

namespace pixelclip {

/// Writes the offsets of the pairs of an archive: at the end of a compact shard, or as the index
/// file of a tar file.
void write_index(const ArchiveContents& contents, const ArchiveSource& source, std::ostream& out);

/// Nullopt if the bytes are not an index, are damaged, or point beyond `archive_size`.
struct ArchiveIndex {
  ArchiveContents contents;
  ArchiveSource source;
};
std::optional<ArchiveIndex> parse_index(std::span<const uint8_t> bytes, uint64_t archive_size);

}  // namespace pixelclip
