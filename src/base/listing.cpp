#include "base/listing.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <array>

#include "base/error.hpp"

namespace pixelclip {
namespace fs = std::filesystem;
namespace {

struct FolderId {
  dev_t device;
  ino_t number;
  bool operator==(const FolderId&) const = default;
};

class Walk {
 public:
  /// `take` gets each file; the walk ends when it returns false.
  Walk(FileList& out, const std::function<bool(const fs::path&)>& take) : out_(out), take_(take) {}

  /// False when the walk ended.
  bool enter(const fs::path& folder) {
    struct stat info {};
    if (stat(folder.c_str(), &info) != 0)
      return fault(folder, system_reason(), kind_of_system_error());
    const FolderId id{info.st_dev, info.st_ino};
    if (std::find(above_.begin(), above_.end(), id) != above_.end())
      return true;  // links form a cycle
    above_.push_back(id);
    std::error_code error;
    std::vector<fs::path> folders;
    fs::directory_iterator it(folder, error);
    for (const fs::directory_iterator end; !error && it != end; it.increment(error)) {
      std::error_code ignored;
      if (is_hidden(it->path().filename().native())) continue;
      if (it->is_directory(ignored))
        folders.push_back(it->path());
      else if (it->is_regular_file(ignored) && !take_(it->path()))
        return false;
    }
    if (error) fault(folder, error.message(), ErrorKind::unavailable);
    for (const fs::path& below : folders) {
      if (!enter(below)) return false;
    }
    above_.pop_back();
    return true;
  }

 private:
  bool fault(const fs::path& folder, const std::string& reason, ErrorKind kind) {
    if (above_.empty()) {
      fail(kind, "cannot list the folder ", folder.string(), ": ", reason);
    }
    out_.faults.push_back(str("cannot list the folder ", folder.string(), ": ", reason));
    return true;
  }

  FileList& out_;
  const std::function<bool(const fs::path&)>& take_;
  std::vector<FolderId> above_;
};

}  // namespace

bool is_hidden(std::string_view name) {
  constexpr std::array<std::string_view, 7> kForeign = {"@eaDir",
                                                        "@Recycle",
                                                        "#recycle",
                                                        "#snapshot",
                                                        "__MACOSX",
                                                        "$RECYCLE.BIN",
                                                        "System Volume Information"};
  return name.starts_with('.') ||
         std::find(kForeign.begin(), kForeign.end(), name) != kForeign.end();
}

bool has_hidden_part(std::string_view path) {
  while (!path.empty()) {
    const std::string_view part = path.substr(0, path.find('/'));
    if (part != "." && part != ".." && is_hidden(part)) return true;
    path.remove_prefix(std::min(path.size(), part.size() + 1));
  }
  return false;
}

FileList list_files_below(const fs::path& folder) {
  FileList list;
  const std::function<bool(const fs::path&)> keep = [&](const fs::path& file) {
    list.files.push_back(file);
    return true;
  };
  Walk(list, keep).enter(folder);
  std::sort(list.files.begin(), list.files.end());
  return list;
}

bool any_file_below(const fs::path& folder, const std::function<bool(const fs::path&)>& wanted) {
  FileList faults;
  const std::function<bool(const fs::path&)> seek = [&](const fs::path& file) {
    return !wanted(file);
  };
  try {
    return !Walk(faults, seek).enter(folder);
  } catch (const Error&) {
    return false;
  }
}

}  // namespace pixelclip
