#pragma once

#include <filesystem>

namespace pixelclip {

/// A temporary file that is being written; `remove_unfinished` removes it if the process ends
/// meanwhile.
class Unfinished {
 public:
  explicit Unfinished(std::filesystem::path path);
  ~Unfinished();
  Unfinished(const Unfinished&) = delete;
  Unfinished& operator=(const Unfinished&) = delete;

 private:
  const std::filesystem::path path_;
};

/// Removes all files that are being written at this moment.
void remove_unfinished();

}  // namespace pixelclip
