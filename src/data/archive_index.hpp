#pragma once

#include <optional>
#include <ostream>

#include "data/archive.hpp"

namespace pixelclip {

/// Where the pairs of an archive lie, as bytes: at the end of a compact shard, and in the index
/// file of a tar file.
void write_index(const ArchiveContents& contents, const ArchiveSource& source, std::ostream& out);

/// Nothing when the bytes are no index, are damaged, or point behind `archive_size`.
struct ArchiveIndex {
  ArchiveContents contents;
  ArchiveSource source;
};
std::optional<ArchiveIndex> parse_index(std::span<const uint8_t> bytes, uint64_t archive_size);

}  // namespace pixelclip
