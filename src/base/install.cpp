#include "pixelclip/base/install.hpp"

#include <dlfcn.h>

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
    // lib/ or lib/x86_64-linux-gnu/, as the system has it.
    for (fs::path folder = library.parent_path().parent_path(); folder.has_relative_path();
         folder = folder.parent_path()) {
      if (fs::exists(folder / "share/pixelclip", ignored)) {
        folders.push_back(folder / "share/pixelclip");
        break;
      }
    }
  }
  return folders;
}

}  // namespace pixelclip
