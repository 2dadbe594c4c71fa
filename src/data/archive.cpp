#include "data/archive.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/error.hpp"
#include "base/file.hpp"

namespace pixelclip {
namespace fs = std::filesystem;

ArchiveSource source_of(const fs::path& path) {
  struct stat info {};
  if (stat(path.c_str(), &info) != 0) fail_to("open", path);
  return {static_cast<uint64_t>(info.st_size),
          info.st_mtim.tv_sec * 1000000000ll + info.st_mtim.tv_nsec};
}

void read_bytes(const fs::path& path, uint64_t offset, uint64_t size, std::vector<uint8_t>& out) {
  constexpr uint64_t kMost = uint64_t{1} << 30;
  const int file =
      open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // a pipe is no file to wait for
  if (file < 0) fail_to("open", path);
  struct stat info {};
  const bool regular = fstat(file, &info) == 0 && S_ISREG(info.st_mode);
  const auto end = static_cast<uint64_t>(info.st_size);
  if (size == kWholeFile && offset <= end) size = end - offset;
  const bool inside = offset <= end && size <= end - offset && size <= kMost;
  uint64_t got = 0;
  if (regular && inside) {
    out.resize(size);
    while (got < size) {
      const ssize_t n = pread(file, out.data() + got, size - got, static_cast<off_t>(offset + got));
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) break;
      got += static_cast<uint64_t>(n);
    }
  }
  const int error = errno;
  close(file);
  errno = error;
  if (!regular) fail("cannot read ", path.string(), ": it is not a regular file");
  if (size > kMost)
    fail_in(ErrorKind::too_large, path.string(), size,
            " bytes are more than an image and its masks may have");
  if (!inside)
    fail_in(path.string(), "bytes ", offset, " to ", offset + size, " of ", end, " are not there");
  if (got < size) fail_to("read", path);
}

}  // namespace pixelclip
