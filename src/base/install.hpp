#pragma once

#include <filesystem>
#include <vector>

namespace pixelclip {

/// Folders that may hold the data files of the program: share/ beside the program, and
/// share/pixelclip of the prefix where the program or the library with this code is installed.
std::vector<std::filesystem::path> installed_data_folders();

/// The user's home: $HOME, else that of the user database; empty without either.
std::filesystem::path home_folder();

/// The cache folder: $XDG_CACHE_HOME, else .cache in the home; empty without either.
std::filesystem::path cache_folder();

}  // namespace pixelclip
