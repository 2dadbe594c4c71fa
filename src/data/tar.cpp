#include "data/tar.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <map>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/install.hpp"
#include "base/listing.hpp"
#include "base/log.hpp"
#include "data/archive_index.hpp"
#include "data/sa1b_scan.hpp"

namespace pixelclip {
namespace fs = std::filesystem;
namespace {

constexpr uint64_t kTarBlock = 512;
using Block = std::array<uint8_t, kTarBlock>;

/// Reads a tar file header by header.
class Tar {
 public:
  explicit Tar(const fs::path& path) : path_(path) {
    file_ = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (file_ < 0) fail_to("open", path);
    struct stat info {};
    fstat(file_, &info);
    size_ = static_cast<uint64_t>(info.st_size);
  }
  ~Tar() { close(file_); }
  Tar(const Tar&) = delete;
  Tar& operator=(const Tar&) = delete;

  /// Calls `take(name, offset, size)` for each regular file.
  template <class Take>
  void walk(const Take& take) {
    std::string name;      // of the next member, if it is too long for its header
    uint64_t size_in = 0;  // likewise its size
    bool has_size = false;
    for (uint64_t at = 0; at < size_;) {
      const Block header = block(at);
      if (std::all_of(header.begin(), header.end(), [](uint8_t b) { return b == 0; })) return;
      check_sum(header, at);
      const uint64_t size = has_size ? size_in : *number(header, 124, 12);
      const uint64_t data = at + kTarBlock;
      if (data > size_ || size > size_ - data) {
        fail(path_.string(), ": the tar file is cut short: a member of ", size, " bytes begins at ",
             data, " of ", size_, "; fetch it again");
      }
      const char type = static_cast<char>(header[156]);
      if (type == 'L' || type == 'x') {
        const std::string text = content(data, size);
        if (type == 'L')
          name = text.substr(0, text.find('\0'));
        else
          read_pax(text, name, size_in, has_size);
      } else if (type != 'g' && type != 'K') {
        if (type == '0' || type == '\0') take(name.empty() ? plain_name(header) : name, data, size);
        name.clear();
        has_size = false;
      }
      at = data + (size + kTarBlock - 1) / kTarBlock * kTarBlock;
    }
    log::warn(path_.string(), ": the tar file has no end marker, so it may be truncated");
  }

 private:
  Block block(uint64_t at) const {
    Block block{};
    if (pread(file_, block.data(), kTarBlock, static_cast<off_t>(at)) !=
        static_cast<ssize_t>(kTarBlock)) {
      fail(path_.string(), ": the tar file is cut short at byte ", at, "; fetch it again");
    }
    return block;
  }

  std::string content(uint64_t at, uint64_t size) const {
    constexpr uint64_t kMost = 1 << 20;
    if (size > kMost) fail(path_.string(), ": a name of ", size, " bytes at byte ", at);
    std::string text(size, '\0');
    if (pread(file_, text.data(), size, static_cast<off_t>(at)) != static_cast<ssize_t>(size)) {
      fail(path_.string(), ": the tar file is cut short at byte ", at, "; fetch it again");
    }
    return text;
  }

  /// Octal digits, or base 256 after a byte of 0x80; nullopt if it is neither.
  static std::optional<uint64_t> number(const Block& header, size_t at, size_t length) {
    uint64_t value = 0;
    if (header[at] & 0x80) {
      for (size_t i = 1; i < length; ++i) value = value << 8 | header[at + i];
      return value;
    }
    for (size_t i = 0; i < length; ++i) {
      const uint8_t c = header[at + i];
      if (c == 0 || (c == ' ' && value > 0)) break;
      if (c == ' ') continue;
      if (c < '0' || c > '7') return {};
      value = value << 3 | (c - '0');
    }
    return value;
  }

  void check_sum(const Block& header, uint64_t at) const {
    uint64_t sum = 0;
    for (size_t i = 0; i < kTarBlock; ++i) sum += i >= 148 && i < 156 ? ' ' : header[i];
    const bool compressed = at == 0 && ((header[0] == 0x1f && header[1] == 0x8b) ||
                                        std::memcmp(header.data(), "BZh", 3) == 0 ||
                                        std::memcmp(header.data(),
                                                    "\xfd"
                                                    "7zXZ",
                                                    5) == 0);
    if (compressed)
      fail(path_.string(), ": it is compressed; a plain tar file can be read directly");
    if (sum != number(header, 148, 8) || !number(header, 124, 12)) {
      fail(path_.string(),
           at == 0 ? ": this is no tar file" : str(": a damaged tar header at byte ", at));
    }
  }

  static std::string plain_name(const Block& header) {
    const auto text = [&](size_t at, size_t length) {
      const auto* begin = reinterpret_cast<const char*>(header.data()) + at;
      return std::string(begin, strnlen(begin, length));
    };
    const bool ustar = std::memcmp(header.data() + 257, "ustar\0", 6) == 0;
    const std::string prefix = ustar ? text(345, 155) : "";
    return prefix.empty() ? text(0, 100) : prefix + "/" + text(0, 100);
  }

  /// Records "LENGTH KEY=VALUE\n".
  static void read_pax(std::string_view text, std::string& name, uint64_t& size, bool& has_size) {
    while (!text.empty()) {
      const uint64_t length = std::strtoull(std::string(text.substr(0, 20)).c_str(), nullptr, 10);
      const size_t space = text.find(' '), equals = text.find('=');
      if (length == 0 || length > text.size() || equals >= length || space >= equals) return;
      const auto key = text.substr(space + 1, equals - space - 1);
      const std::string value(text.substr(equals + 1, length - equals - 2));
      if (key == "path") name = value;
      if (key == "size") size = std::strtoull(value.c_str(), nullptr, 10), has_size = true;
      text.remove_prefix(length);
    }
  }

  fs::path path_;
  int file_ = -1;
  uint64_t size_ = 0;
};

ArchiveContents scan(const fs::path& path) {
  std::map<std::string, ArchivePair> by_stem;
  Tar(path).walk([&](std::string name, uint64_t offset, uint64_t size) {
    const bool image = is_image(name);
    const bool wanted = (image || has_suffix(name, {".json"})) && !has_hidden_part(name);
    if (!wanted || size > UINT32_MAX || name.size() > 4096) return;
    if (name.starts_with("./")) name.erase(0, 2);
    ArchivePair& pair = by_stem[name.substr(0, name.rfind('.'))];
    (image ? pair.image : pair.annotation) = name;  // a repeated member replaces the first
    (image ? pair.image_at : pair.masks_at) = offset;
    (image ? pair.image_size : pair.masks_size) = static_cast<uint32_t>(size);
  });
  ArchiveContents contents;
  for (auto& [stem, pair] : by_stem) {
    if (pair.annotation.empty())
      ++contents.images_alone;
    else if (pair.image.empty())
      ++contents.annotations_alone;
    else
      contents.pairs.push_back(std::move(pair));
  }
  return contents;
}

/// Empty if there is no cache folder.
fs::path cached_index(const fs::path& tar) {
  const fs::path root = cache_folder();
  if (root.empty()) return {};
  NameSum sum;
  sum.add(fs::absolute(tar).string());
  return root / "pixelclip" / str(tar.stem().string(), "-", std::hex, sum.value(), ".index");
}

void save(const fs::path& tar, const ArchiveContents& contents, const ArchiveSource& source) {
  std::string reason;
  for (const fs::path& place : {fs::path(tar.string() + ".index"), cached_index(tar)}) {
    if (place.empty()) continue;
    try {
      std::error_code ignored;
      fs::create_directories(place.parent_path(), ignored);
      write_atomically(place, [&](std::ostream& out) { write_index(contents, source, out); });
      return;
    } catch (const Error& e) {
      reason = e.what();
    }
  }
  log::warn("the index of ", tar.string(),
            " could not be saved and is computed again each time: ", reason);
}

}  // namespace

bool is_tar(const fs::path& path) { return path.extension() == ".tar"; }

ArchiveContents read_tar(const fs::path& path) {
  const ArchiveSource now = source_of(path);
  for (const fs::path& place : {fs::path(path.string() + ".index"), cached_index(path)}) {
    std::error_code ignored;
    if (place.empty() || !fs::is_regular_file(place, ignored)) continue;
    const MappedFile file(place);
    auto index = parse_index(file.bytes(), now.size);
    if (!index || index->source != now) continue;
    // Older indices contain hidden members.
    std::erase_if(index->contents.pairs,
                  [](const ArchivePair& pair) { return has_hidden_part(pair.image); });
    return std::move(index->contents);
  }
  log::debug("making the index of ", path.string());
  ArchiveContents contents = scan(path);
  save(path, contents, now);
  return contents;
}

}  // namespace pixelclip
