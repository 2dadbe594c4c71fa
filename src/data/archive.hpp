#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <ostream>
#include <span>
#include <string>
#include <vector>

#include "data/sa1b_masks.hpp"

/// Files that hold many training samples: SA-1B's tar files as published, and compact shards.
namespace pixelclip {

/// A picture and its masks within one file.
struct ArchivePair {
  std::string image, annotation;  ///< names of the members; a compact shard names the picture alone
  uint64_t image_at = 0, masks_at = 0;
  uint32_t image_size = 0, masks_size = 0;
};

struct ArchiveContents {
  std::vector<ArchivePair> pairs;  ///< by the picture's name
  int64_t images_alone = 0, annotations_alone = 0;
};

/// By their suffix: .tar, .shard.
bool is_tar(const std::filesystem::path& path);
bool is_shard(const std::filesystem::path& path);

/// The pairs of a tar file. Their places are kept in FILE.tar.index beside it, or in
/// $XDG_CACHE_HOME/pixelclip where that can not be written, and found anew when size or time of the
/// tar file changed. Errors: unreadable, no tar file, compressed, cut short.
ArchiveContents read_tar(const std::filesystem::path& path);

/// The pairs of a compact shard. Errors: unreadable, not one, cut short, damaged.
ArchiveContents read_shard(const std::filesystem::path& path);

/// What a compact shard was made from, so that it is made anew when that changes.
struct ShardSource {
  uint64_t size = 0;
  int64_t time = 0;
  bool operator==(const ShardSource&) const = default;
};
/// A shard's own note; zeros when it is none or damaged.
ShardSource shard_source(const std::filesystem::path& path);
/// Size and time of a file.
ShardSource fingerprint(const std::filesystem::path& path);

/// Takes the samples of a compact shard one after the other: pictures as their files are, masks as
/// binary runs, largest first.
class ShardWriter {
 public:
  explicit ShardWriter(std::ostream& out) : out_(out) {}
  void add(const std::string& image, std::span<const uint8_t> picture, const MaskRuns& masks);

 private:
  friend void write_shard(const std::filesystem::path&, const ShardSource&,
                          const std::function<void(ShardWriter&)>&);
  void write(std::span<const uint8_t> bytes);

  std::ostream& out_;
  uint64_t at_ = 0;
  std::vector<ArchivePair> pairs_;
  std::vector<uint8_t> block_;
};
/// Writes the shard that `fill` adds samples to; the file appears whole or not at all. Errors: it
/// can not be written; what `fill` throws.
void write_shard(const std::filesystem::path& path, const ShardSource& source,
                 const std::function<void(ShardWriter&)>& fill);

/// The masks of one picture as a compact shard holds them, in little-endian numbers: height, width,
/// masks (32 bits each), then for each mask the number of words and its runs in 16-bit words; 65535
/// is followed by a longer run in two words.
void write_runs(const MaskRuns& masks, std::vector<uint8_t>& out);
/// The inverse. Errors: cut short, runs that do not fill the picture; `name` stands for the file.
void read_runs(std::span<const uint8_t> bytes, const std::string& name, int64_t max_masks,
               MaskRuns& out);

/// Reads `size` bytes from `offset` on, to the end of the file at most when `size` is `whole_file`,
/// into `out`, whose memory is reused. Errors: unreadable, cut short, more than 1 GiB.
inline constexpr uint64_t whole_file = ~uint64_t{0};
void read_bytes(const std::filesystem::path& path, uint64_t offset, uint64_t size,
                std::vector<uint8_t>& out);

}  // namespace pixelclip
