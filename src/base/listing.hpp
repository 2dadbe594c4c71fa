#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

/// One rule for which files and folders are data, for training and test sets, archives and command
/// lines.
namespace pixelclip {

/// Whether a file or folder of this name is never data: names that begin with a dot ("._x.jpg" and
/// ".DS_Store" of macOS, ".ipynb_checkpoints"), and folders that file servers, archivers and
/// recycle bins add ("@eaDir", "__MACOSX", "#recycle", …).
bool is_hidden(std::string_view name);

/// Whether a part of a path has such a name, except "." and "..". The path should be relative to
/// the folder that the user named, since the folders above it are the user's choice.
bool has_hidden_part(std::string_view path);

struct FileList {
  std::vector<std::filesystem::path> files;  ///< each begins with the folder listed; sorted
  std::vector<std::string> faults;           ///< a sentence for each unreadable folder
};

/// The regular files below `folder` without hidden ones. Links are followed, except into a folder
/// that contains them. An unreadable subfolder is skipped and listed in `faults`. Errors: `folder`
/// itself is unreadable.
FileList list_files_below(const std::filesystem::path& folder);

/// Whether a file below `folder` satisfies `wanted`; the search stops at the first. Unreadable
/// folders count as empty.
bool any_file_below(const std::filesystem::path& folder,
                    const std::function<bool(const std::filesystem::path&)>& wanted);

}  // namespace pixelclip
