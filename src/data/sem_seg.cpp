#include "pixelclip/data/sem_seg.hpp"

#include <algorithm>
#include <map>
#include <sstream>

#include "pixelclip/base/error.hpp"
#include "pixelclip/base/file.hpp"
#include "pixelclip/data/merged_labels.hpp"
#include "pixelclip/image/codec.hpp"

namespace pixelclip {
namespace fs = std::filesystem;
namespace {

struct NaturalLess {
  bool operator()(const std::string& a, const std::string& b) const { return natural_less(a, b); }
};
using Files = std::map<std::string, fs::path, NaturalLess>;

bool is_picture(const fs::path& path) {
  std::string extension = path.extension().string();
  for (char& c : extension) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  const auto known = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"};
  return std::find(known.begin(), known.end(), extension) != known.end();
}

/// Files below `folder` by the stem that `stem_of` gives; an empty stem means: not one of them.
template <typename StemOf>
Files files_below(const DatasetInfo& info, const fs::path& folder, const StemOf& stem_of) {
  Files files;
  try {
    for (const auto& entry : fs::recursive_directory_iterator(
             folder, fs::directory_options::follow_directory_symlink)) {
      const fs::path& path = entry.path();
      if (path.filename().string().starts_with(".") || !entry.is_regular_file()) continue;
      const std::string stem = stem_of(path);
      if (stem.empty()) continue;
      const auto [at, fresh] = files.emplace(stem, path);
      if (!fresh) {
        fail("data set ", info.name, ": ", at->second.string(), " and ", path.string(),
             " share the stem ", stem, ", so pairs are ambiguous; remove or rename one");
      }
    }
  } catch (const fs::filesystem_error& e) {
    fail("data set ", info.name, ": cannot list ", folder.string(), ": ", e.code().message());
  }
  return files;
}

std::string without_suffix(const std::string& name, const std::string& suffix) {
  return name.ends_with(suffix) ? name.substr(0, name.size() - suffix.size()) : "";
}

std::vector<std::string> read_list(const fs::path& path) {
  std::istringstream text(read_text(path));
  std::vector<std::string> stems;
  // The first word of a line: VOC's class lists put a flag behind it.
  for (std::string line; std::getline(text, line);) {
    std::istringstream words(line);
    std::string stem;
    if (words >> stem) stems.push_back(stem);
  }
  if (stems.empty()) fail(path.string(), ": it is empty; a picture's stem a line was expected");
  return stems;
}

void keep_listed(Files& files, const std::vector<std::string>& listed) {
  Files kept;
  for (const std::string& stem : listed) {
    const auto found = files.find(stem);
    if (found != files.end()) kept.insert(*found);
  }
  files = std::move(kept);
}

std::string some(const std::vector<std::string>& stems) {
  if (stems.empty()) return "";
  std::string text = " (" + stems[0];
  for (size_t i = 1; i < std::min<size_t>(stems.size(), 3); ++i) text += ", " + stems[i];
  return text + (stems.size() > 3 ? " …)" : ")");
}

}  // namespace

bool natural_less(const std::string& a, const std::string& b) {
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  size_t i = 0, j = 0;
  while (i < a.size() && j < b.size()) {
    if (!digit(a[i]) || !digit(b[j])) {
      if (a[i] != b[j]) return static_cast<uint8_t>(a[i]) < static_cast<uint8_t>(b[j]);
      ++i, ++j;
      continue;
    }
    const auto number = [&](const std::string& s, size_t& at) {
      while (at < s.size() && s[at] == '0') ++at;
      const size_t begin = at;
      while (at < s.size() && digit(s[at])) ++at;
      return std::string_view(s).substr(begin, at - begin);
    };
    const auto x = number(a, i), y = number(b, j);
    if (x.size() != y.size()) return x.size() < y.size();
    if (x != y) return x < y;
  }
  if (i < a.size() || j < b.size()) return j < b.size();
  return a < b;  // They differ in leading zeros at most.
}

std::string PairReport::summary(const std::string& set, size_t pairs) const {
  std::string text = str(set, ": ", pairs, " pairs of ", images.string(), " and ", labels.string());
  if (!images_without_labels.empty()) {
    text += str("; ", images_without_labels.size(), " pictures without labels",
                some(images_without_labels));
  }
  if (!labels_without_image.empty()) {
    text += str("; ", labels_without_image.size(), " labels without a picture",
                some(labels_without_image));
  }
  return text;
}

SemSegSet::SemSegSet(const DatasetInfo& info) : info_(info) {
  if (info.kind != DatasetKind::sem_seg) {
    fail("data set ", info.name, " has no class labels: it is for training, not for scoring");
  }
  DatasetPaths paths = locate(info);
  source_ = std::move(paths.labels);
  report_.images = paths.images;
  report_.labels = source_.path;

  Files images = files_below(info, paths.images, [&](const fs::path& path) {
    return is_picture(path) ? info.image_suffix.empty()
                                  ? path.stem().string()
                                  : without_suffix(path.stem().string(), info.image_suffix)
                            : "";
  });
  Files labels;
  if (fs::is_regular_file(source_.path)) {
    merged_ = std::make_shared<MergedLabels>(source_.path, source_.phase);
    for (const std::string& stem : merged_->stems()) labels[stem] = source_.path;
  } else {
    labels = files_below(info, source_.path, [&](const fs::path& path) {
      return without_suffix(path.filename().string(), source_.suffix);
    });
  }
  if (!info.list.empty() && fs::exists(info.list)) {
    const auto listed = read_list(info.list);
    for (const std::string& stem : listed) {
      const bool image = images.contains(stem), label = labels.contains(stem);
      // A prepared folder holds no file for a picture with nothing left to score.
      if (!label && !(source_.prepared && info.skip_unlabelled)) {
        report_.images_without_labels.push_back(stem);
      } else if (label && !image) {
        report_.labels_without_image.push_back(stem);
      }
    }
    keep_listed(images, listed);
    keep_listed(labels, listed);
  } else {
    for (const auto& [stem, path] : images) {
      if (!labels.contains(stem) && !info.images_hold_more) {
        report_.images_without_labels.push_back(stem);
      }
    }
    for (const auto& [stem, path] : labels) {
      if (!images.contains(stem)) report_.labels_without_image.push_back(stem);
    }
  }
  for (const auto& [stem, path] : images) {
    const auto label = labels.find(stem);
    if (label != labels.end()) items_.push_back({path, label->second, stem});
  }
}

LabelMap SemSegSet::stored_ids(const SemSegItem& item) const {
  return merged_ ? merged_->paint(item.stem) : read_labels(item.label);
}

LabelMap SemSegSet::labels(const SemSegItem& item, int classes) const {
  LabelMap labels = stored_ids(item);
  apply_ids(labels, source_.map, classes, info_.ignore, item.label.string());
  return labels;
}

std::vector<SemSegItem> list_sem_seg(const DatasetInfo& info, PairReport& report) {
  const SemSegSet set(info);
  report = set.report();
  return set.items();
}

void apply_ids(LabelMap& labels, const IdMap& map, int classes, int ignore,
               const std::string& name) {
  const auto known = static_cast<uint32_t>(map.classes.size());
  const auto without_meaning = [&](int32_t id, int32_t to) {
    if (to >= classes) {
      fail(name, ": id ", id, " stands for class ", to, ", but there are only ", classes,
           " class names; give the class list of this set");
    }
    fail(name, ": it holds the id ", id, ", which ",
         map.classes.empty()
             ? str("is neither one of the ", classes, " classes nor ", ignore, " (ignored)")
             : str("has no meaning in this set's published labels (they end at ", known - 1, ")"),
         "; are these the labels of another set, or labels already prepared?");
  };
  // Neighbours are mostly alike: check only where the id changes.
  int32_t last_id = -1, last_class = -1;
  for (int32_t& id : labels.ids) {
    if (id != last_id || last_class < 0) {
      int32_t to = -1;
      if (map.classes.empty()) {
        to = id;
      } else if (static_cast<uint32_t>(id) < known) {
        to = map.classes[id];
      } else if (map.rest_ignored) {
        to = ignore;
      }
      if (to < 0 || (to >= classes && to != ignore))
        without_meaning(id, map.classes.empty() ? -1 : to);
      last_id = id;
      last_class = to;
    }
    id = last_class;
  }
}

}  // namespace pixelclip
