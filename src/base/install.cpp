#include "base/install.hpp"

#include <dlfcn.h>
#include <pwd.h>
#include <unistd.h>

#include <cstdlib>

namespace pixelclip {
namespace fs = std::filesystem;

std::vector<fs::path> installed_data_folders() {
  std::vector<fs::path> folders;
  std::error_code ignored;
  const fs::path program = fs::read_symlink("/proc/self/exe", ignored);
  if (!program.empty()) {
    folders.push_back(program.parent_path() / "share");
    folders.push_back(program.parent_path().parent_path() / "share/pixelclip");
  }
  Dl_info self;
  if (dladdr(reinterpret_cast<void*>(&installed_data_folders), &self) && self.dli_fname) {
    const fs::path library = fs::weakly_canonical(self.dli_fname, ignored);
    // lib/ or lib/x86_64-linux-gnu/, as the system has it, or the Python package itself.
    for (fs::path folder = library.parent_path(); folder.has_relative_path();
         folder = folder.parent_path()) {
      if (fs::exists(folder / "share/pixelclip", ignored)) {
        folders.push_back(folder / "share/pixelclip");
        break;
      }
    }
  }
  return folders;
}

fs::path home_folder() {
  if (const char* home = std::getenv("HOME"); home && *home) return home;
  passwd entry{}, *found = nullptr;
  char text[4096];
  if (getpwuid_r(getuid(), &entry, text, sizeof(text), &found) != 0 || !found || !found->pw_dir)
    return {};
  return found->pw_dir;
}

fs::path cache_folder() {
  if (const char* cache = std::getenv("XDG_CACHE_HOME"); cache && *cache) return cache;
  const fs::path home = home_folder();
  return home.empty() ? fs::path() : home / ".cache";
}

}  // namespace pixelclip
