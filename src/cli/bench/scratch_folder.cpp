#include "cli/bench/scratch_folder.hpp"

#include <cstdlib>
#include <string>

#include "base/error.hpp"
#include "base/file.hpp"

namespace pixelclip::cli {

ScratchFolder::ScratchFolder() {
  std::string name = (std::filesystem::temp_directory_path() / "pixelclip-bench-XXXXXX").string();
  if (!mkdtemp(name.data())) fail("cannot make a temporary folder: ", system_reason());
  path_ = name;
}

ScratchFolder::~ScratchFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace pixelclip::cli
