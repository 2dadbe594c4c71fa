#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <ostream>
#include <span>
#include <string>

namespace pixelclip {

/// Throws "cannot open a.jpg: …" for the system call that just failed on `path`, with the reason
/// that errno has.
[[noreturn]] void fail_to(const char* verb, const std::filesystem::path& path);

/// A file mapped into memory as a whole. Copies share the mapping. Errors: missing, unreadable, a
/// folder.
class MappedFile {
 public:
  explicit MappedFile(const std::filesystem::path& path);

  std::span<const uint8_t> bytes() const { return bytes_; }
  const std::filesystem::path& path() const { return path_; }

  /// `size` bytes from `offset`; `what` names them in the error when they lie outside the file.
  std::span<const uint8_t> range(uint64_t offset, uint64_t size, const char* what) const;

 private:
  std::filesystem::path path_;
  std::shared_ptr<const void> mapping_;
  std::span<const uint8_t> bytes_;
};

/// The whole file as text. Errors: missing, unreadable.
std::string read_text(const std::filesystem::path& path);

/// Calls `fill` with a stream to a temporary file beside `path`, flushes it to disk and renames it
/// to `path`, so that a reader sees either the old file or the complete new one. On failure (full
/// disk, no permission, `fill` throws) the old file stays and the temporary one is removed.
void write_atomically(const std::filesystem::path& path,
                      const std::function<void(std::ostream&)>& fill);
void write_text(const std::filesystem::path& path, const std::string& text);

/// Errors: missing or unreadable file, invalid JSON (named with line and column).
nlohmann::json read_json(const std::filesystem::path& path);
/// Parses `text`; `name` stands for the file in errors.
nlohmann::json parse_json(std::string_view text, const std::string& name);
/// Writes atomically, indented by one space; NaN is written as Python writes it, the bare word NaN.
void write_json(const std::filesystem::path& path, const nlohmann::json& value);

/// Makes the folder and its parents, and checks that a file can be written in it.
void make_writable_folder(const std::filesystem::path& path);

}  // namespace pixelclip
