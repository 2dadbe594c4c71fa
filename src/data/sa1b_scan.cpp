#include "sa1b_scan.hpp"

#include <algorithm>
#include <atomic>
#include <map>

#include "pixelclip/base/error.hpp"
#include "pixelclip/base/log.hpp"
#include "pixelclip/base/parallel.hpp"
#include "pixelclip/data/archive.hpp"
#include "pixelclip/io/torch_file.hpp"

namespace pixelclip {
namespace fs = std::filesystem;
namespace {

constexpr const char* kListName = "image_list.da";
constexpr int kDeepestFolder = 8;  // guards against symbolic links that form a circle

/// Names of the regular files in `folder`, sorted; none when it does not exist. Subfolders go to
/// `subfolders` when given.
std::vector<std::string> list_files(const fs::path& folder, std::vector<std::string>* subfolders) {
  std::vector<std::string> files;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    std::error_code ignored;
    std::string name = it->path().filename().string();
    if (it->is_directory(ignored)) {
      if (subfolders) subfolders->push_back(std::move(name));
    } else {
      files.push_back(std::move(name));
    }
  }
  if (error && error != std::errc::no_such_file_or_directory) {
    fail("cannot list the folder ", folder.string(), ": ", error.message());
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::string_view stem_of(std::string_view name) { return name.substr(0, name.rfind('.')); }

bool has_suffix(std::string_view name, std::initializer_list<std::string_view> suffixes) {
  const size_t dot = name.rfind('.');
  if (dot == std::string_view::npos || dot == 0) return false;
  std::string suffix(name.substr(dot));
  for (char& c : suffix) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  return std::find(suffixes.begin(), suffixes.end(), suffix) != suffixes.end();
}

bool is_image(std::string_view name) { return has_suffix(name, {".jpg", ".jpeg", ".png"}); }

Folder to_folder(const fs::path& path) { return std::make_shared<const std::string>(path.string()); }

Found pair_folder(const fs::path& images, const fs::path& annotations, const ScanOptions& options) {
  Found found;
  const auto files = list_files(images, nullptr);
  std::vector<std::string> masks;
  const bool ids = options.form == MaskForm::ids;
  if (options.with_annotations) masks = list_files(annotations, nullptr);
  std::erase_if(masks, [&](const auto& name) { return !has_suffix(name, {ids ? ".png" : ".json"}); });
  std::map<std::string_view, const std::string*> by_stem;
  for (const std::string& name : masks) by_stem.emplace(stem_of(name), &name);
  const Folder image_folder = to_folder(images);
  const Folder annotation_folder = to_folder(options.with_annotations ? annotations : fs::path());
  for (const std::string& name : files) {
    // Where pictures and their ids share a folder, a PNG is no picture.
    if (!is_image(name) || (ids && images == annotations && has_suffix(name, {".png"}))) continue;
    TrainPair pair{.image_folder = image_folder, .image = name, .annotation_folder = annotation_folder};
    pair.form = options.form;
    pair.masks_at = ids ? static_cast<uint64_t>(options.ignore) : 0;
    if (options.with_annotations) {
      const auto partner = by_stem.find(stem_of(name));
      if (partner == by_stem.end()) {
        ++found.images_alone;
        continue;
      }
      pair.annotation = *partner->second;
      by_stem.erase(partner);
    }
    found.pairs.push_back(std::move(pair));
  }
  found.annotations_alone = static_cast<int64_t>(by_stem.size());
  return found;
}

/// Whether the files of a list exist, asking each folder once.
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
    if (fresh) it->second = {to_folder(parent), list_files(parent, nullptr)};
    return it->second;
  }
  std::map<std::string, Known> folders_;
};

/// Paths in a list begin with "/" though they are relative to the root.
fs::path below(const fs::path& root, const std::string& name, const fs::path& list) {
  const size_t begin = name.find_first_not_of('/');
  const fs::path path = begin == std::string::npos ? "" : name.substr(begin);
  if (path.empty() || std::find(path.begin(), path.end(), "..") != path.end()) {
    fail(list.string(), ": the name '", name, "' does not lie below ", root.string());
  }
  return root / path;
}

Found read_list(const fs::path& list, const fs::path& root, bool with_annotations) {
  Found found;
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
    if (there) found.pairs.push_back(std::move(pair));
    else ++found.listed_missing;
  }
  return found;
}

/// The folder and those below it, by their names relative to it.
void collect_folders(const fs::path& root, const fs::path& relative, int depth,
                     std::vector<fs::path>& out) {
  out.push_back(relative);
  if (depth == kDeepestFolder) return;
  std::vector<std::string> below;
  list_files(root / relative, &below);
  std::sort(below.begin(), below.end());
  for (const std::string& name : below) collect_folders(root, relative / name, depth + 1, out);
}

}  // namespace

std::vector<Found> scan(const Sa1bFolders& where, const ScanOptions& options) {
  const fs::path root = where.images.parent_path();
  if (options.form == MaskForm::json && fs::is_regular_file(where.images / kListName)) {
    return {read_list(where.images / kListName, root, options.with_annotations)};
  }
  std::vector<fs::path> folders;
  collect_folders(where.images, "", 0, folders);
  std::vector<Found> found(folders.size());
  parallel_for(static_cast<int64_t>(folders.size()), 0, [&](int64_t i) {
    const fs::path images = folders[i].empty() ? where.images : where.images / folders[i];
    const fs::path masks = folders[i].empty() ? where.annotations : where.annotations / folders[i];
    found[i] = options.form == MaskForm::json && fs::is_regular_file(images / kListName)
                   ? read_list(images / kListName, root, options.with_annotations)
                   : pair_folder(images, masks, options);
  });
  return found;
}

Found scan_coco(const fs::path& images, const CocoMasks& coco, uint16_t number) {
  Found found;
  Listing listing;
  const Folder annotations = to_folder(coco.path());
  for (size_t i = 0; i < coco.pictures().size(); ++i) {
    const fs::path image = below(images, coco.pictures()[i].name, coco.path());
    if (!listing.holds(image)) {
      ++found.annotations_alone;
      continue;
    }
    TrainPair pair{.image_folder = listing.folder_of(image),
                   .image = image.filename().string(),
                   .annotation_folder = annotations};
    pair.form = MaskForm::coco;
    pair.masks_at = i;
    pair.coco = number;
    found.pairs.push_back(std::move(pair));
  }
  return found;
}

Found scan_archive(const fs::path& path) {
  const bool compact = is_shard(path);
  ArchiveContents contents = compact ? read_shard(path) : read_tar(path);
  Found found{.images_alone = contents.images_alone, .annotations_alone = contents.annotations_alone};
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

std::vector<Found> scan_shards(const std::vector<fs::path>& shards, const ScanOptions& options) {
  std::vector<Found> found(shards.size());
  std::atomic<int64_t> done{0};
  parallel_for(static_cast<int64_t>(shards.size()), 0, [&](int64_t i) {
    const fs::path& shard = shards[i];
    if (is_tar(shard) || is_shard(shard)) {
      found[i] = scan_archive(shard);
    } else {
      for (Found& part : scan(folders_of(shard), options)) found[i].add(std::move(part));
    }
    log::progress(str("training pictures: ", ++done, " of ", shards.size(), " shards listed"));
  });
  log::progress("");
  return found;
}

/// A shard that is a folder: it holds one of the layouts, lies in one, or holds both kinds of files.
Sa1bFolders folders_of(const fs::path& shard) {
  std::error_code ignored;
  const fs::path parent = shard.parent_path();
  for (const auto& [images, annotations] : {std::pair{"resized_images", "resized_annotations"},
                                            std::pair{"images", "annotations"}}) {
    if (fs::is_directory(shard / images, ignored)) return {shard / images, shard / annotations};
    const fs::path beside = parent.parent_path() / annotations / shard.filename();
    if (parent.filename() == images && fs::is_directory(beside, ignored)) return {shard, beside};
  }
  return {shard, shard};
}

}  // namespace pixelclip
