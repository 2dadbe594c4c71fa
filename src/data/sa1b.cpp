#include "pixelclip/data/sa1b.hpp"

#include <algorithm>
#include <map>
#include <memory>
#include <tuple>

#include "pixelclip/base/error.hpp"
#include "pixelclip/base/log.hpp"
#include "pixelclip/base/parallel.hpp"
#include "pixelclip/io/torch_file.hpp"

namespace pixelclip {
namespace fs = std::filesystem;
namespace {

constexpr const char* kListName = "image_list.da";
constexpr int kDeepest = 8;  // guards against symbolic links that form a circle

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

/// Shared by the files in it: a million pairs name few folders.
using Folder = std::shared_ptr<const std::string>;

Folder to_folder(const fs::path& path) { return std::make_shared<const std::string>(path.string()); }

struct Pair {
  Folder image_folder;
  std::string image;
  Folder annotation_folder;
  std::string annotation;
  auto key() const { return std::tie(*image_folder, image); }
};

/// What one folder of pictures gave.
struct Found {
  std::vector<Pair> pairs;
  int64_t images_alone = 0, annotations_alone = 0, listed_missing = 0;
};

Found pair_folder(const fs::path& images, const fs::path& annotations, bool with_annotations) {
  Found found;
  const auto files = list_files(images, nullptr);
  std::vector<std::string> masks;
  if (with_annotations) masks = list_files(annotations, nullptr);
  std::erase_if(masks, [](const auto& name) { return !has_suffix(name, {".json"}); });
  std::map<std::string_view, const std::string*> by_stem;
  for (const std::string& name : masks) by_stem.emplace(stem_of(name), &name);
  const Folder image_folder = to_folder(images);
  const Folder annotation_folder = to_folder(with_annotations ? annotations : fs::path());
  for (const std::string& name : files) {
    if (!is_image(name)) continue;
    Pair pair{image_folder, name, annotation_folder, ""};
    if (with_annotations) {
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
    Pair pair{listing.folder_of(image), image.filename().string(), none, ""};
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
  if (depth == kDeepest) return;
  std::vector<std::string> below;
  list_files(root / relative, &below);
  std::sort(below.begin(), below.end());
  for (const std::string& name : below) collect_folders(root, relative / name, depth + 1, out);
}

std::vector<Found> scan(const Sa1bFolders& where, bool with_annotations) {
  const fs::path root = where.images.parent_path();
  if (fs::is_regular_file(where.images / kListName)) {
    return {read_list(where.images / kListName, root, with_annotations)};
  }
  std::vector<fs::path> folders;
  collect_folders(where.images, "", 0, folders);
  std::vector<Found> found(folders.size());
  parallel_for(static_cast<int64_t>(folders.size()), 0, [&](int64_t i) {
    const fs::path images = folders[i].empty() ? where.images : where.images / folders[i];
    const fs::path masks = folders[i].empty() ? where.annotations : where.annotations / folders[i];
    found[i] = fs::is_regular_file(images / kListName)
                   ? read_list(images / kListName, root, with_annotations)
                   : pair_folder(images, masks, with_annotations);
  });
  return found;
}

void report(const Sa1bFolders& where, const Found& sum, size_t pairs) {
  std::string left_out;
  const auto mention = [&](int64_t count, const char* what) {
    if (count > 0) left_out += str(left_out.empty() ? " (left out: " : ", ", count, " ", what);
  };
  mention(sum.images_alone, "pictures without annotations");
  mention(sum.annotations_alone, "annotations without a picture");
  mention(sum.listed_missing, str("entries of ", kListName, " whose files are missing").c_str());
  if (!left_out.empty()) left_out += ")";
  log::info("training pictures in ", where.images.string(), ": ", pairs, left_out);
}

}  // namespace

std::vector<Sa1bFolders> Sa1bIndex::layouts(const fs::path& root) {
  return {{root / "resized_images", root / "resized_annotations"},
          {root / "images", root / "annotations"}};
}

void Sa1bIndex::add(const std::vector<Sa1bFolders>& candidates) {
  const auto there = std::find_if(candidates.begin(), candidates.end(), [&](const auto& where) {
    std::error_code ignored;
    return fs::is_directory(where.images, ignored) &&
           (!with_annotations_ || fs::is_directory(where.annotations, ignored));
  });
  if (there == candidates.end()) {
    std::string tried;
    for (const Sa1bFolders& where : candidates) {
      tried += str(tried.empty() ? "" : " or ", where.images.string());
      if (with_annotations_) tried += str(" with ", where.annotations.string());
    }
    fail("no training pictures: looked for the folders ", tried,
         "; point SAM_DATASETS (DATASETS.SAM_ROOT) at the folder that holds them");
  }
  std::vector<Found> parts = scan(*there, with_annotations_);
  std::vector<Pair> pairs;
  Found sum;
  for (Found& part : parts) {
    std::move(part.pairs.begin(), part.pairs.end(), std::back_inserter(pairs));
    part.pairs = {};
    sum.images_alone += part.images_alone;
    sum.annotations_alone += part.annotations_alone;
    sum.listed_missing += part.listed_missing;
  }
  std::sort(pairs.begin(), pairs.end(), [](const auto& a, const auto& b) { return a.key() < b.key(); });
  pairs.erase(std::unique(pairs.begin(), pairs.end(),
                          [](const auto& a, const auto& b) { return a.key() == b.key(); }),
              pairs.end());
  report(*there, sum, pairs.size());
  if (pairs.empty()) {
    fail("no training pictures in ", there->images.string(),
         with_annotations_ ? str(" that have a JSON file of the same name in ",
                                 there->annotations.string())
                           : "",
         ": SA-1B's layout is images/sa_0000NN/sa_N.jpg with annotations/sa_0000NN/sa_N.json");
  }
  entries_.reserve(entries_.size() + pairs.size());
  std::map<std::string, uint32_t> known;
  const auto folder = [&](const std::string& name) {
    const auto [it, fresh] = known.try_emplace(name, static_cast<uint32_t>(folders_.size()));
    if (fresh) folders_.push_back(name);
    return it->second;
  };
  for (const Pair& pair : pairs) {
    append(folder(*pair.image_folder), pair.image, folder(*pair.annotation_folder),
           pair.annotation);
  }
  names_.shrink_to_fit();
}

void Sa1bIndex::append(uint32_t image_folder, std::string_view image, uint32_t annotation_folder,
                       std::string_view annotation) {
  entries_.push_back({names_.size(), image_folder, annotation_folder,
                      static_cast<uint16_t>(image.size()),
                      static_cast<uint16_t>(annotation.size())});
  names_ += image;
  names_ += annotation;
}

Sa1bSample Sa1bIndex::operator[](int64_t index) const {
  const Entry& entry = entries_.at(static_cast<size_t>(index));
  const std::string_view names(names_);
  const auto join = [&](uint32_t folder, std::string_view name) {
    return str(folders_[folder], "/", name);
  };
  Sa1bSample sample{join(entry.image_folder, names.substr(entry.names, entry.image_length)), ""};
  if (with_annotations_) {
    sample.annotation = join(entry.annotation_folder, names.substr(entry.names + entry.image_length,
                                                                   entry.annotation_length));
  }
  return sample;
}

size_t Sa1bIndex::memory() const {
  size_t bytes = entries_.capacity() * sizeof(Entry) + names_.capacity();
  for (const std::string& folder : folders_) bytes += sizeof(folder) + folder.capacity();
  return bytes;
}

}  // namespace pixelclip
