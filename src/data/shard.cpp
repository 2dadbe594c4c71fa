#include "data/shard.hpp"

#include <algorithm>
#include <cstring>

#include "base/error.hpp"
#include "base/file.hpp"
#include "data/archive_index.hpp"
#include "image/rle.hpp"

namespace pixelclip {
namespace fs = std::filesystem;
namespace {

constexpr char kMagic[8] = {'P', 'X', 'L', 'S', 'H', 'R', 'D', '1'};

/// The last bytes of a shard.
struct Footer {
  uint64_t index_at;
  char magic[8];
};

constexpr uint16_t kLong = 0xFFFF;

void put16(std::vector<uint8_t>& out, uint32_t value) {
  out.push_back(static_cast<uint8_t>(value));
  out.push_back(static_cast<uint8_t>(value >> 8));
}

void put32(std::vector<uint8_t>& out, uint32_t value) {
  put16(out, value);
  put16(out, value >> 16);
}

/// The index of a shard; nullopt if the file is not a complete shard.
std::optional<ArchiveIndex> index_of(const MappedFile& file) {
  const auto bytes = file.bytes();
  Footer footer;
  if (bytes.size() < sizeof(kMagic) + sizeof(footer)) return {};
  std::memcpy(&footer, bytes.data() + bytes.size() - sizeof(footer), sizeof(footer));
  if (std::memcmp(footer.magic, kMagic, sizeof(kMagic)) != 0) return {};
  if (footer.index_at > bytes.size() - sizeof(footer)) return {};
  return parse_index(
      bytes.subspan(footer.index_at, bytes.size() - sizeof(footer) - footer.index_at),
      footer.index_at);
}

}  // namespace

bool is_shard(const fs::path& path) { return path.extension() == ".shard"; }

ArchiveContents read_shard(const fs::path& path) {
  auto index = index_of(MappedFile(path));
  if (!index) {
    fail_in(path.string(),
            "it is not a compact shard, or it is truncated or damaged; create it again with ",
            "`pixelclip prepare sa1b --compact`");
  }
  return std::move(index->contents);
}

ArchiveSource shard_source(const fs::path& path) {
  std::error_code ignored;
  if (!fs::is_regular_file(path, ignored)) return {};
  const auto index = index_of(MappedFile(path));
  return index ? index->source : ArchiveSource{};
}

void write_runs(const MaskRuns& masks, std::vector<uint8_t>& out) {
  out.clear();
  put32(out, static_cast<uint32_t>(masks.height));
  put32(out, static_cast<uint32_t>(masks.width));
  put32(out, static_cast<uint32_t>(masks.masks.size()));
  for (const MaskRuns::Mask& mask : masks.masks) {
    const auto runs = masks.runs(mask);
    const auto longer =
        std::count_if(runs.begin(), runs.end(), [](uint32_t r) { return r >= kLong; });
    put32(out, static_cast<uint32_t>(static_cast<int64_t>(runs.size()) + 2 * longer));
    for (const uint32_t run : runs) {
      if (run < kLong) {
        put16(out, run);
      } else {
        put16(out, kLong);
        put32(out, run);
      }
    }
  }
}

void read_runs(std::span<const uint8_t> bytes, const std::string& name, int64_t max_masks,
               MaskRuns& out) {
  size_t at = 0;
  const auto next32 = [&] {
    uint32_t value;
    if (bytes.size() - at < 4) fail_in(name, "the masks are cut short");
    std::memcpy(&value, bytes.data() + at, 4);
    at += 4;
    return value;
  };
  out.counts.clear();
  out.masks.clear();
  out.left_out = {};
  out.height = next32();
  out.width = next32();
  const uint32_t masks = next32();
  for (uint32_t m = 0; m < masks && m < max_masks; ++m) {
    const uint32_t words = next32();
    if ((bytes.size() - at) / 2 < words) fail_in(name, "the masks are cut short");
    const uint8_t* word = bytes.data() + at;
    at += size_t{2} * words;
    const uint8_t* const end = bytes.data() + at;
    const uint64_t begin = out.counts.size();
    out.counts.resize(begin + words);
    uint32_t* run = out.counts.data() + begin;
    for (; word != end; word += 2, ++run) {
      uint16_t value;
      std::memcpy(&value, word, 2);
      *run = value;
      if (value != kLong) continue;
      if (end - word < 6) fail_in(name, "mask ", m, " ends within a run");
      std::memcpy(run, word + 2, 4);
      word += 4;
    }
    out.counts.resize(static_cast<size_t>(run - out.counts.data()));
    const MaskRuns::Mask mask{begin, out.counts.size() - begin, 0};
    try {
      check_rle(out.runs(mask), out.height, out.width);
    } catch (const Error& e) {
      fail_in(name, "mask ", m, ": ", e.what());
    }
    out.masks.push_back({mask.begin, mask.count, rle_area(out.runs(mask))});
  }
}

void ShardWriter::write(std::span<const uint8_t> bytes) {
  out_.write(reinterpret_cast<const char*>(bytes.data()),
             static_cast<std::streamsize>(bytes.size()));
  at_ += bytes.size();
}

void ShardWriter::add(const std::string& name, std::span<const uint8_t> file,
                      const MaskRuns& masks) {
  write_runs(masks, block_);
  pairs_.push_back({name, "", at_, at_ + file.size(), static_cast<uint32_t>(file.size()),
                    static_cast<uint32_t>(block_.size())});
  write(file);
  write(block_);
  if (!out_) fail("writing failed after ", at_, " bytes");
}

void write_shard(const fs::path& path, const ArchiveSource& source,
                 const std::function<void(ShardWriter&)>& fill) {
  write_atomically(path, [&](std::ostream& out) {
    ShardWriter writer(out);
    writer.write({reinterpret_cast<const uint8_t*>(kMagic), sizeof(kMagic)});
    fill(writer);
    Footer footer{writer.at_, {}};
    std::memcpy(footer.magic, kMagic, sizeof(kMagic));
    write_index({writer.pairs_, 0, 0}, source, out);
    writer.write({reinterpret_cast<const uint8_t*>(&footer), sizeof(footer)});
  });
}

}  // namespace pixelclip
