#pragma once

#include "data/archive.hpp"

namespace pixelclip {

/// Whether the file name ends with .tar.
bool is_tar(const std::filesystem::path& path);

/// The pairs of a tar file. Their offsets are cached in FILE.tar.index beside it, or in
/// $XDG_CACHE_HOME/pixelclip if that is not writable, and computed again when the size or time of
/// the tar file changes. Errors: unreadable, not a tar file, compressed, cut short.
ArchiveContents read_tar(const std::filesystem::path& path);

}  // namespace pixelclip
