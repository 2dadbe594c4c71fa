#include "base/file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/unfinished.hpp"

namespace pixelclip {
namespace fs = std::filesystem;
namespace {

constexpr const char* kOtherPlaces =
    "; choose another with OUTPUT_DIR, --out or DETECTRON2_DATASETS";

void flush_to_disk(const fs::path& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) fail_to("reopen", path);
  const int rc = fsync(fd);
  close(fd);
  if (rc != 0 && errno != EINVAL) fail_to("flush", path);
}

/// As nlohmann's dump, but a non-finite number is written as Python's json module writes it.
void dump(std::ostream& out, const nlohmann::json& value, int depth) {
  const auto indent = [&](int d) { out << '\n' << std::string(d, ' '); };
  if (value.is_object() || value.is_array()) {
    const bool object = value.is_object();
    out << (object ? '{' : '[');
    bool first = true;
    for (const auto& [key, item] : value.items()) {
      if (!first) out << ',';
      first = false;
      indent(depth + 1);
      if (object) out << nlohmann::json(key).dump() << ": ";
      dump(out, item, depth + 1);
    }
    if (!value.empty()) indent(depth);
    out << (object ? '}' : ']');
  } else if (value.is_number_float() && !std::isfinite(value.get<double>())) {
    const double number = value.get<double>();
    out << (std::isnan(number) ? "NaN" : number > 0 ? "Infinity" : "-Infinity");
  } else {
    out << value.dump();
  }
}

}  // namespace

void fail_to(const char* verb, const fs::path& path) {
  const ErrorKind kind = kind_of_system_error();
  throw Error(str("cannot ", verb, " ", path.string(), ": ", system_reason()), kind, path.string());
}

MappedFile::MappedFile(const fs::path& path) : path_(path) {
  const int fd = open(path.c_str(),
                      O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // do not wait for the writer of a pipe
  if (fd < 0) fail_to("open", path);
  struct stat info {};
  if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
    close(fd);
    throw Error(str("cannot read ", path.string(), ": it is not a regular file"),
                ErrorKind::invalid_input, path.string());
  }
  const auto size = static_cast<size_t>(info.st_size);
  if (size > 0) {
    // Writable pages are private copies: a tensor that lies on the mapping may be changed in place
    // without a crash, and without changing the file.
    void* start = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, fd, 0);
    const int error = errno;
    close(fd);
    errno = error;
    if (start == MAP_FAILED) fail_to("map", path);
    mapping_ = std::shared_ptr<const void>(
        start, [size](const void* p) { munmap(const_cast<void*>(p), size); });
    bytes_ = {static_cast<const uint8_t*>(start), size};
  } else {
    close(fd);
  }
}

std::span<const uint8_t> MappedFile::range(uint64_t offset, uint64_t size, const char* what) const {
  if (offset > bytes_.size() || size > bytes_.size() - offset) {
    fail_in(path_.string(), "the file is cut short or corrupt: ", what, " would lie at bytes ",
            offset, " to ", offset + size, " of ", bytes_.size());
  }
  return bytes_.subspan(offset, size);
}

std::string read_text(const fs::path& path) {
  const MappedFile file(path);
  return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

void write_atomically(const fs::path& path, const std::function<void(std::ostream&)>& fill) {
  const fs::path temporary = str(path.string(), ".tmp.", getpid());
  const Unfinished unfinished(temporary);
  try {
    std::ofstream out(temporary, std::ios::binary | std::ios::trunc);
    if (!out) fail_to("write", path);
    fill(out);
    out.close();
    if (!out) {
      fail(ErrorKind::unavailable, "cannot write ", path.string(), ": ", system_reason(),
           " (is the disk full?); the previous file, if any, is untouched");
    }
    flush_to_disk(temporary);
    fs::rename(temporary, path);
  } catch (const fs::filesystem_error& e) {
    std::error_code ignored;
    fs::remove(temporary, ignored);
    fail(ErrorKind::unavailable, "cannot write ", path.string(), ": ", e.code().message());
  } catch (...) {
    std::error_code ignored;
    fs::remove(temporary, ignored);
    throw;
  }
}

void write_text(const fs::path& path, const std::string& text) {
  write_atomically(path, [&](std::ostream& out) { out << text; });
}

nlohmann::json parse_json(std::string_view text, const std::string& name) {
  try {
    return nlohmann::json::parse(text);
  } catch (const nlohmann::json::parse_error& e) {
    const auto head = text.substr(0, std::min<size_t>(e.byte > 0 ? e.byte - 1 : 0, text.size()));
    const auto line = 1 + std::count(head.begin(), head.end(), '\n');
    const auto column = head.size() - (head.rfind('\n') + 1) + 1;
    throw Error(str(name, ":", line, ":", column, ": invalid JSON",
                    e.byte > text.size() ? " (the file is cut short)" : ""),
                ErrorKind::invalid_input, name);
  } catch (const nlohmann::json::out_of_range&) {
    fail_in(name, "holds a number that is too large");
  }
}

nlohmann::json read_json(const fs::path& path) {
  const MappedFile file(path);
  return parse_json({reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()},
                    path.string());
}

void write_json(const fs::path& path, const nlohmann::json& value) {
  write_atomically(path, [&](std::ostream& out) {
    dump(out, value, 0);
    out << '\n';
  });
}

void make_writable_folder(const fs::path& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error)
    fail(ErrorKind::unavailable, "cannot make the folder ", path.string(), ": ", error.message(),
         kOtherPlaces);
  const fs::path probe = path / str(".write-test.", getpid());
  std::ofstream out(probe);
  if (!out)
    fail(ErrorKind::unavailable, "cannot write in the folder ", path.string(), ": ",
         system_reason(), kOtherPlaces);
  out.close();
  fs::remove(probe, error);
}

}  // namespace pixelclip
