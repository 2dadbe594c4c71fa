#pragma once

#include <filesystem>
#include <vector>

namespace pixelclip {

/// Folders where data files that come with the program may lie: share/ beside the program, and
/// share/pixelclip of the place where the program or the library that holds this code is installed.
std::vector<std::filesystem::path> installed_data_folders();

/// The user's home: $HOME, or without it what the system's list of users says; empty when neither
/// does.
std::filesystem::path home_folder();

/// Where programs keep what can be made anew: $XDG_CACHE_HOME, else .cache in the home; empty
/// without either.
std::filesystem::path cache_folder();

}  // namespace pixelclip
