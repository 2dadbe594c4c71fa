#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

/// Which files and folders are data: one rule for training and test sets, archives and command
/// lines.
namespace pixelclip {

/// Whether a file or folder of this name is never data: its name begins with a dot ("._x.jpg" and
/// ".DS_Store" of macOS, ".ipynb_checkpoints"), or it is a folder that file servers, archivers and
/// waste baskets add ("@eaDir", "__MACOSX", "#recycle", …).
bool is_hidden(std::string_view name);

/// Whether one part of a path has such a name; "." and ".." are none of them. Give a path relative
/// to the folder that the user named: what lies above it is the user's choice.
bool has_hidden_part(std::string_view path);

struct FileList {
  std::vector<std::filesystem::path> files;  ///< each begins with the folder listed; sorted
  std::vector<std::string> faults;           ///< a sentence for each folder that can not be read
};

/// The regular files below `folder`, hidden ones left out. Links are followed, but not into a
/// folder that holds them. A folder in between that can not be read costs its own files alone.
/// Errors: the folder itself can not be read.
FileList list_files_below(const std::filesystem::path& folder);

/// Whether some file below satisfies `wanted`, up to which they are looked at; folders that can not
/// be read hold none.
bool any_file_below(const std::filesystem::path& folder,
                    const std::function<bool(const std::filesystem::path&)>& wanted);

}  // namespace pixelclip
