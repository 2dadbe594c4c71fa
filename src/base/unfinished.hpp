#pragma once

#include <filesystem>

namespace pixelclip {

/// Registers a temporary file while it is written, so that `remove_unfinished` can remove it if the
/// process must end.
class Unfinished {
 public:
  explicit Unfinished(std::filesystem::path path);
  ~Unfinished();
  Unfinished(const Unfinished&) = delete;
  Unfinished& operator=(const Unfinished&) = delete;

 private:
  const std::filesystem::path path_;
};

/// Removes all registered files.
void remove_unfinished();

}  // namespace pixelclip
