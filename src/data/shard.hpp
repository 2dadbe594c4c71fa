#pragma once

#include <functional>
#include <ostream>
#include <span>

#include "data/archive.hpp"
#include "data/sa1b_masks.hpp"

namespace pixelclip {

/// Whether the file name ends with .shard.
bool is_shard(const std::filesystem::path& path);

/// The pairs of a compact shard. Errors: unreadable, not a shard, cut short, damaged.
ArchiveContents read_shard(const std::filesystem::path& path);

/// The source recorded in a shard; zeros if the file is not a shard or is damaged.
ArchiveSource shard_source(const std::filesystem::path& path);

/// Appends samples to a compact shard: image files as they are, masks as binary runs, largest
/// first.
class ShardWriter {
 public:
  explicit ShardWriter(std::ostream& out) : out_(out) {}
  void add(const std::string& name, std::span<const uint8_t> file, const MaskRuns& masks);

 private:
  friend void write_shard(const std::filesystem::path&, const ArchiveSource&,
                          const std::function<void(ShardWriter&)>&);
  void write(std::span<const uint8_t> bytes);

  std::ostream& out_;
  uint64_t at_ = 0;
  std::vector<ArchivePair> pairs_;
  std::vector<uint8_t> block_;
};
/// Writes the shard that `fill` adds samples to, atomically. Errors: it cannot be written; what
/// `fill` throws.
void write_shard(const std::filesystem::path& path, const ArchiveSource& source,
                 const std::function<void(ShardWriter&)>& fill);

/// The masks of one image as a compact shard stores them, in little-endian numbers: height, width,
/// number of masks (32 bits each), then for each mask the number of words and its runs in 16-bit
/// words; 65535 is followed by a longer run in two words.
void write_runs(const MaskRuns& masks, std::vector<uint8_t>& out);
/// The inverse. Errors: cut short, runs that do not fill the image; `name` is the file's name.
void read_runs(std::span<const uint8_t> bytes, const std::string& name, int64_t max_masks,
               MaskRuns& out);

}  // namespace pixelclip
