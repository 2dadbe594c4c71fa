#pragma once

#include <filesystem>
#include <vector>

namespace pixelclip {

/// Folders where data files that come with the program may lie: share/ beside the program, and
/// share/pixelclip of the place where the program or the library that holds this code is installed.
std::vector<std::filesystem::path> installed_data_folders();

}  // namespace pixelclip
