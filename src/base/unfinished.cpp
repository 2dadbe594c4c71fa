#include "base/unfinished.hpp"

#include <mutex>
#include <set>

namespace pixelclip {
namespace {

struct Files {
  std::mutex mutex;
  std::multiset<std::filesystem::path> paths;
};

/// Never destroyed: the thread that ends the process may need it while `exit` runs.
Files& files() {
  static Files& instance = *new Files;
  return instance;
}

}  // namespace

Unfinished::Unfinished(std::filesystem::path path) : path_(std::move(path)) {
  const std::lock_guard lock(files().mutex);
  files().paths.insert(path_);
}

Unfinished::~Unfinished() {
  const std::lock_guard lock(files().mutex);
  files().paths.erase(files().paths.find(path_));
}

void remove_unfinished() {
  const std::lock_guard lock(files().mutex);
  std::error_code ignored;
  for (const auto& path : files().paths) std::filesystem::remove(path, ignored);
}

}  // namespace pixelclip
