#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

/// Files that hold many training samples: SA-1B's tar files as published, and compact shards.
namespace pixelclip {

/// An image and its masks within one file.
struct ArchivePair {
  std::string image, annotation;  ///< names of the members; a compact shard names the image alone
  uint64_t image_at = 0, masks_at = 0;
  uint32_t image_size = 0, masks_size = 0;
};

struct ArchiveContents {
  std::vector<ArchivePair> pairs;  ///< sorted by image name
  int64_t images_alone = 0, annotations_alone = 0;
};

/// Size and modification time of the file that an index or a compact shard was made from. When
/// they change, it is made again.
struct ArchiveSource {
  uint64_t size = 0;
  int64_t time = 0;  ///< nanoseconds
  bool operator==(const ArchiveSource&) const = default;
};
/// Errors: no such file.
ArchiveSource source_of(const std::filesystem::path& path);

inline constexpr uint64_t kWholeFile = ~uint64_t{0};
/// Reads `size` bytes from `offset` (with kWholeFile: to the end of the file) into `out`, whose
/// memory is reused. Errors: unreadable, not a regular file, cut short, more than 1 GiB.
void read_bytes(const std::filesystem::path& path, uint64_t offset, uint64_t size,
                std::vector<uint8_t>& out);

}  // namespace pixelclip
