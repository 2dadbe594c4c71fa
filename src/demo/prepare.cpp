#include "demo/prepare.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cmath>
#include <memory>
#include <mutex>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/log.hpp"
#include "base/progress.hpp"
#include "base/signal.hpp"
#include "base/stopwatch.hpp"
#include "demo/small_clip.hpp"

namespace fs = std::filesystem;

namespace pixelclip {
namespace {

/// Ensures that only one process creates the demo in a folder; others wait. The lock is released
/// when the process ends.
class FolderLock {
 public:
  explicit FolderLock(const fs::path& folder) {
    fs::path name = folder;
    if (!name.has_filename()) name = name.parent_path();  // "demo/" locks as "demo"
    name += ".lock";
    if (name.has_parent_path()) make_writable_folder(name.parent_path());
    file_ = ::open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (file_ < 0) fail(name.string(), ": cannot be opened: ", system_reason());
    if (::flock(file_, LOCK_EX | LOCK_NB) == 0) return;
    const std::string what =
        "waiting for another process that creates the demo in " + folder.string();
    const signals::Doing waiting(what);
    log::info(what);
    if (::flock(file_, LOCK_EX) != 0) {
      const std::string reason = system_reason();
      ::close(file_);
      fail(name.string(), ": cannot be locked: ", reason);
    }
  }
  ~FolderLock() { ::close(file_); }
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  int file_ = -1;
};

/// Shows a progress line with the remaining time and logs every fifth of the work.
class ProgressLine {
 public:
  void operator()(const std::string& what, int64_t done, int64_t total) {
    if (what != what_) *this = ProgressLine(what);
    const double seconds = watch_.seconds();
    log::progress(progress_text("demo", what, done, total, seconds));
    const auto fifth = static_cast<int>(5 * done / total);
    if (fifth == fifth_) return;
    fifth_ = fifth;
    log::info("demo: ", done, " of ", total, " ", what, ", ", std::lround(seconds), " s");
    if (done == total) log::progress("");
  }

  ProgressLine() = default;

 private:
  explicit ProgressLine(std::string what) : what_(std::move(what)) {}

  std::string what_;
  Stopwatch watch_;
  int fifth_ = 0;
};

}  // namespace

void prepare_demo(const fs::path& folder, const DemoWorldOptions& options) {
  const DemoClipOptions clip{.seed = options.seed};
  if (demo_world_ready(folder, options) && demo_clip_ready(folder, clip))
    return;  // also in a read-only folder
  const FolderLock lock(folder);
  const signals::Doing making("creating the demo's data in " + folder.string());
  auto line = std::make_shared<ProgressLine>();
  auto mutex = std::make_shared<std::mutex>();
  const DemoProgress progress = [line, mutex](const std::string& what, int64_t done,
                                              int64_t total) {
    const std::lock_guard guard(*mutex);
    (*line)(what, done, total);
  };
  make_demo_world(folder, options, progress);
  make_demo_clip(folder, clip, progress);
}

void prepare_demo(const fs::path& folder) {
  // An existing world with other options is kept.
  prepare_demo(folder, demo_world_ready(folder) ? demo_world_options(folder) : DemoWorldOptions{});
}

}  // namespace pixelclip
