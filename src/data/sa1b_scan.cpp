#include "data/sa1b_scan.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <map>
#include <optional>
#include <unordered_map>

#include "base/error.hpp"
#include "base/listing.hpp"
#include "base/log.hpp"
#include "base/parallel.hpp"
#include "base/progress.hpp"
#include "data/shard.hpp"
#include "data/tar.hpp"
#include "io/torch_file.hpp"

namespace pixelclip {
namespace fs = std::filesystem;
namespace {

constexpr const char* kListName = "image_list.da";

/// Sorted names of the files in `folder` that are not hidden; none if it does not exist. Subfolders
/// are appended to `subfolders` if given.
std::vector<std::string> list_files(const fs::path& folder, std::vector<std::string>* subfolders) {
  std::vector<std::string> files;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    std::error_code ignored;
    std::string name = it->path().filename().string();
    if (is_hidden(name)) continue;
    if (it->is_directory(ignored)) {
      if (subfolders) subfolders->push_back(std::move(name));
    } else {
      files.push_back(std::move(name));
    }
  }
  const bool absent = error == std::errc::no_such_file_or_directory ||
                      error == std::errc::not_a_directory || error == std::errc::filename_too_long;
  if (error && !absent) {
    fail("cannot list the folder ", folder.string(), ": ", error.message());
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::string_view stem_of(std::string_view name) { return name.substr(0, name.rfind('.')); }

Folder to_folder(const fs::path& path) {
  return std::make_shared<const std::string>(path.string());
}

/// Whether a folder contains mask images.
bool holds_masks(const fs::path& folder) {
  const auto files = list_files(folder, nullptr);
  return std::any_of(files.begin(), files.end(),
                     [](const auto& name) { return has_suffix(name, {".png"}); });
}

/// Whether a folder is SAM's script output for an image: 0.png, 1.png … and a table.
bool is_folder_of_masks(const fs::path& folder) {
  std::error_code ignored;
  return fs::exists(folder / "metadata.csv", ignored) && fs::exists(folder / "0.png", ignored);
}

ScanResult pair_folder(const fs::path& images, const fs::path& annotations,
                       const ScanOptions& options) {
  ScanResult found;
  const auto files = list_files(images, nullptr);
  std::vector<std::string> masks, folders;
  const bool ids = options.form == MaskForm::ids;
  if (options.with_annotations) masks = list_files(annotations, &folders);
  std::erase_if(masks, [&](const auto& name) {
    return !(ids ? is_id_image(name) : has_suffix(name, {".json"}));
  });
  std::sort(folders.begin(), folders.end());
  std::map<std::string_view, const std::string*> by_stem;
  for (const std::string& name : masks) by_stem.emplace(stem_of(name), &name);
  const Folder image_folder = to_folder(images);
  const Folder annotation_folder = to_folder(options.with_annotations ? annotations : fs::path());
  for (const std::string& name : files) {
    // If images and label images share a folder, a PNG is a label image.
    if (!is_image(name) || (ids && images == annotations && is_id_image(name))) continue;
    TrainPair pair{
        .image_folder = image_folder, .image = name, .annotation_folder = annotation_folder};
    pair.form = options.form;
    pair.masks_at = ids ? static_cast<uint64_t>(options.ignore) : 0;
    if (options.with_annotations) {
      const auto partner = by_stem.find(stem_of(name));
      if (partner != by_stem.end()) {
        pair.annotation = *partner->second;
        by_stem.erase(partner);
      } else if (std::string folder(stem_of(name));
                 std::binary_search(folders.begin(), folders.end(), folder) &&
                 holds_masks(annotations / folder)) {
        pair.annotation = std::move(folder);
        pair.form = MaskForm::mask_folder;
      } else {
        ++found.images_alone;
        continue;
      }
    }
    found.pairs.push_back(std::move(pair));
  }
  found.annotations_alone = static_cast<int64_t>(by_stem.size());
  return found;
}

/// Checks whether files exist; lists each folder once.
class Listing {
 public:
  bool holds(const fs::path& file) {
    const auto& files = at(file).files;
    return std::binary_search(files.begin(), files.end(), file.filename().string());
  }
  Folder folder_of(const fs::path& file) { return at(file).name; }

 private:
  struct Known {
    Folder name;
    std::vector<std::string> files;
  };
  const Known& at(const fs::path& file) {
    const fs::path parent = file.parent_path();
    const auto [it, fresh] = folders_.try_emplace(parent.string());
    if (!fresh) return it->second;
    it->second.name = to_folder(parent);
    try {
      it->second.files = list_files(parent, nullptr);
    } catch (const Error& e) {
      log::warn(e.what(), ": its files are left out");
    }
    return it->second;
  }
  std::map<std::string, Known> folders_;
};

/// Whether a path needs no normalization: no empty part, "." or "..", no backslash.
bool is_plain(std::string_view path) {
  return !path.empty() && path[0] != '/' && path[0] != '.' && path.find("/.") == path.npos &&
         path.find("//") == path.npos && path.find('\\') == path.npos && path.back() != '/';
}

/// Resolves a path relative to `base`, which it may leave and enter again; nullopt if it ends
/// outside.
std::optional<fs::path> inside(const fs::path& base, const fs::path& path) {
  if (is_plain(path.native())) return path;
  const fs::path relative = (base / path).lexically_normal().lexically_relative(base);
  if (relative.empty() || relative == "." || *relative.begin() == "..") return {};
  return relative;
}

/// The folder in the form that inside() expects.
fs::path base_of(const fs::path& root) { return fs::absolute(root / "").lexically_normal(); }

/// Resolves a path of a list, which begins with "/" though it is relative to the root.
fs::path below(const fs::path& root, const std::string& name, const fs::path& list) {
  const size_t begin = name.find_first_not_of('/');
  const auto path = inside(base_of(root), begin == std::string::npos ? "" : name.substr(begin));
  if (!path) fail(list.string(), ": the name '", name, "' does not lie below ", root.string());
  return root / *path;
}

/// Converts a Windows path or a URL to a path of this system.
std::string as_path(std::string name) {
  if (const size_t scheme = name.find("://"); scheme != name.npos) {
    name = name.substr(0, name.find_first_of("?#"));
    const size_t path = name.find('/', scheme + 3);
    return path == name.npos ? "" : name.substr(path);
  }
  std::replace(name.begin(), name.end(), '\\', '/');
  const bool drive = name.size() > 2 && name[1] == ':' && name[2] == '/';
  return drive ? name.substr(2) : name;
}

/// Finds the images that a file lists, possibly with paths of another machine.
class ImageFinder {
 public:
  explicit ImageFinder(const fs::path& root) : root_(root), base_(base_of(root)) {}

  /// The image at the given path below the root.
  std::optional<fs::path> find(const std::string& name) {
    if (name.size() > kLongestName) return {};
    for (const std::string& form : {name, as_path(name)}) {
      const auto path = inside(base_, form);
      if (path && listing_.holds(root_ / *path)) return root_ / *path;
      if (form.find('\\') == form.npos && form.find("://") == form.npos) break;
    }
    return {};
  }

  /// The image whose path matches the longest trailing part of `name`.
  std::optional<fs::path> find_by_last_parts(const std::string& name) {
    if (name.size() > kLongestName) return {};
    fs::path rest = fs::path(as_path(name)).relative_path().lexically_normal();
    for (; !rest.empty(); rest = rest.lexically_relative(*rest.begin())) {
      if (rest == ".") break;
      const auto path = inside(base_, rest);
      if (path && listing_.holds(root_ / *path)) return root_ / *path;
    }
    return {};
  }

  Folder folder_of(const fs::path& image) { return listing_.folder_of(image); }

 private:
  static constexpr size_t kLongestName = 4096;
  fs::path root_, base_;
  Listing listing_;
};

ScanResult read_list(const fs::path& list, const fs::path& root, bool with_annotations) {
  ScanResult found;
  Listing listing;
  const Folder none = to_folder("");
  const Value value = read_torch_file(list);
  const std::string what = str(list.string(), ": an entry");
  for (const Value& item : value.as_list(str(list.string(), ": its content"))) {
    const Dict& entry = item.as_dict(what);
    const fs::path image = below(root, entry.at("img_name").as_string(what), list);
    TrainPair pair{.image_folder = listing.folder_of(image),
                   .image = image.filename().string(),
                   .annotation_folder = none};
    bool there = listing.holds(image);
    if (with_annotations) {
      const fs::path mask = below(root, entry.at("ann_name").as_string(what), list);
      there = there && listing.holds(mask);
      pair.annotation_folder = listing.folder_of(mask);
      pair.annotation = mask.filename().string();
    }
    if (there)
      found.pairs.push_back(std::move(pair));
    else
      ++found.listed_missing;
  }
  return found;
}

/// Lists the folders below a root, relative to it, without following cycles of links.
class Folders {
 public:
  explicit Folders(const fs::path& root) : root_(root) { enter(""); }
  std::vector<fs::path> take() { return std::move(found_); }

 private:
  using Id = std::pair<dev_t, ino_t>;

  void enter(const fs::path& relative) {
    struct stat info {};
    const fs::path folder = relative.empty() ? root_ : root_ / relative;
    if (stat(folder.c_str(), &info) != 0) return;
    const Id id{info.st_dev, info.st_ino};
    if (std::find(above_.begin(), above_.end(), id) != above_.end()) return;
    if (!relative.empty() && is_folder_of_masks(folder)) return;
    found_.push_back(relative);
    std::vector<std::string> below;
    try {
      list_files(folder, &below);
    } catch (const Error& e) {
      if (relative.empty()) throw;
      log::warn(e.what());
      found_.pop_back();
    }
    std::sort(below.begin(), below.end());
    above_.push_back(id);
    for (const std::string& name : below) enter(relative / name);
    above_.pop_back();
  }

  fs::path root_;
  std::vector<fs::path> found_;
  std::vector<Id> above_;
};

}  // namespace

bool has_suffix(std::string_view name, std::initializer_list<std::string_view> suffixes) {
  const size_t dot = name.rfind('.');
  if (dot == std::string_view::npos || dot == 0) return false;
  std::string suffix(name.substr(dot));
  for (char& c : suffix) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  return std::find(suffixes.begin(), suffixes.end(), suffix) != suffixes.end();
}

bool is_image(std::string_view name) {
  return has_suffix(name, {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"});
}

bool is_id_image(std::string_view name) {
  return has_suffix(name, {".png", ".bmp", ".tif", ".tiff"});
}

std::vector<ScanResult> scan(const Sa1bFolders& where, const ScanOptions& options) {
  const fs::path root = where.images.parent_path();
  if (options.form == MaskForm::json && fs::is_regular_file(where.images / kListName)) {
    return {read_list(where.images / kListName, root, options.with_annotations)};
  }
  const std::vector<fs::path> folders = Folders(where.images).take();
  std::vector<ScanResult> found(folders.size());
  parallel_for(static_cast<int64_t>(folders.size()), 0, [&](int64_t i) {
    const fs::path images = folders[i].empty() ? where.images : where.images / folders[i];
    const fs::path masks = folders[i].empty() ? where.annotations : where.annotations / folders[i];
    if (options.form == MaskForm::json && fs::is_regular_file(images / kListName)) {
      found[i] = read_list(images / kListName, root, options.with_annotations);
      return;
    }
    try {
      found[i] = pair_folder(images, masks, options);
    } catch (const Error& e) {
      if (folders.size() == 1) throw;
      log::warn(e.what(), ": its images are left out");
    }
  });
  return found;
}

ScanResult scan_coco(const fs::path& images, const CocoMasks& coco, uint16_t number) {
  ScanResult found;
  ImageFinder finder(images);
  const Folder annotations = to_folder(coco.path());
  const auto& entries = coco.images();
  std::vector<std::pair<size_t, fs::path>> by_last_parts;
  const auto add = [&](size_t i, const fs::path& image) {
    TrainPair pair{.image_folder = finder.folder_of(image),
                   .image = image.filename().string(),
                   .annotation_folder = annotations};
    pair.form = MaskForm::coco;
    pair.masks_at = i;
    pair.coco = number;
    found.pairs.push_back(std::move(pair));
  };
  const auto miss = [&](size_t i) {
    if (found.annotations_alone++ == 0) found.example = entries[i].name;
  };
  for (size_t i = 0; i < entries.size(); ++i) {
    if (entries[i].name.empty()) continue;
    if (const auto image = finder.find(entries[i].name)) {
      add(i, *image);
    } else if (const auto last = finder.find_by_last_parts(entries[i].name)) {
      by_last_parts.emplace_back(i, *last);
    } else {
      miss(i);
    }
  }
  if (by_last_parts.empty()) return found;
  std::unordered_map<std::string, int> claims;  // number of names per file
  for (const TrainPair& pair : found.pairs) ++claims[str(*pair.image_folder, "/", pair.image)];
  for (const auto& [i, image] : by_last_parts) ++claims[image.string()];
  for (const auto& [i, image] : by_last_parts) {
    if (claims[image.string()] > 1) {  // a/x.jpg and b/x.jpg cannot both be x.jpg
      miss(i);
      continue;
    }
    ++found.by_last_parts;
    add(i, image);
  }
  return found;
}

ScanResult scan_archive(const fs::path& path) {
  const bool compact = is_shard(path);
  ArchiveContents contents = compact ? read_shard(path) : read_tar(path);
  ScanResult found{.images_alone = contents.images_alone,
                   .annotations_alone = contents.annotations_alone};
  const Folder archive = to_folder(path);
  found.pairs.reserve(contents.pairs.size());
  for (ArchivePair& pair : contents.pairs) {
    found.pairs.push_back({.image_folder = archive,
                           .image = std::move(pair.image),
                           .annotation_folder = archive,
                           .annotation = std::move(pair.annotation),
                           .image_at = pair.image_at,
                           .masks_at = pair.masks_at,
                           .image_size = pair.image_size,
                           .masks_size = pair.masks_size,
                           .form = compact ? MaskForm::runs : MaskForm::json,
                           .archive = true});
  }
  return found;
}

std::vector<ScanResult> scan_shards(const std::vector<fs::path>& shards,
                                    const ScanOptions& options) {
  std::vector<ScanResult> found(shards.size());
  Progress progress("training images", "shards", static_cast<int64_t>(shards.size()));
  parallel_for(static_cast<int64_t>(shards.size()), 0, [&](int64_t i) {
    const fs::path& shard = shards[i];
    if (is_tar(shard) || is_shard(shard)) {
      found[i] = scan_archive(shard);
    } else {
      for (ScanResult& part : scan(folders_of(shard), options)) found[i].add(std::move(part));
    }
    progress.add();
  });
  return found;
}

/// Folders of a shard that is a folder: it contains one of the layouts, is part of one, or contains
/// both kinds of files.
Sa1bFolders folders_of(const fs::path& shard) {
  std::error_code ignored;
  const fs::path parent = shard.parent_path();
  for (const auto& [images, annotations] :
       {std::pair{"resized_images", "resized_annotations"}, std::pair{"images", "annotations"}}) {
    if (fs::is_directory(shard / images, ignored)) return {shard / images, shard / annotations};
    const fs::path beside = parent.parent_path() / annotations / shard.filename();
    if (parent.filename() == images && fs::is_directory(beside, ignored)) return {shard, beside};
  }
  return {shard, shard};
}

}  // namespace pixelclip
