#include "data/sem_seg.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "base/file.hpp"
#include "data/merged_labels.hpp"
#include "data/pairs.hpp"
#include "image/codec.hpp"

namespace pixelclip {
namespace {

std::string some(const std::vector<std::string>& stems) {
  if (stems.empty()) return "";
  std::string text = " (" + stems[0];
  for (size_t i = 1; i < std::min<size_t>(stems.size(), 3); ++i) text += ", " + stems[i];
  return text + (stems.size() > 3 ? " …)" : ")");
}

/// The ids of the full ADE20K's `*_seg.png`.
LabelMap read_ade20k_full(const std::filesystem::path& path) {
  const Image image = decode_rgb(MappedFile(path).bytes(), path.string());
  LabelMap labels;
  labels.height = image.height;
  labels.width = image.width;
  labels.ids.resize(static_cast<size_t>(image.height) * image.width);
  const uint8_t* rgb = image.pixels.data();
  for (size_t i = 0; i < labels.ids.size(); ++i) {
    labels.ids[i] = rgb[3 * i] / 10 * 256 + rgb[3 * i + 1];
  }
  return labels;
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
  return a < b;  // They differ at most in leading zeros.
}

std::string PairReport::summary(const std::string& set, size_t pairs) const {
  std::string text = str(set, ": ", pairs, " pairs of ", images.string(), " and ", labels.string());
  if (!images_without_labels.empty()) {
    text += str("; ", images_without_labels.size(), " images without labels",
                some(images_without_labels));
  }
  if (!labels_without_image.empty()) {
    text += str("; ", labels_without_image.size(), " labels without an image",
                some(labels_without_image));
  }
  if (!ambiguous.empty()) {
    text += str("; ", ambiguous.size(), " left out because several files could be meant",
                some(ambiguous));
  }
  if (!left_out.empty()) text += str("; ", left_out.size(), " not readable", some(left_out));
  for (const auto& [folder, count] : filled_up) {
    text += str("; ", count, " labels from ", folder.string());
  }
  return text;
}

SemSegSet::SemSegSet(const DatasetInfo& info) : info_(info) {
  if (info.kind != DatasetKind::sem_seg) {
    fail("data set ", info.name, " has no class labels: it is for training, not for evaluation");
  }
  SetPairs pairs = pair_up(info);
  sources_ = std::move(pairs.sources);
  merged_ = std::move(pairs.merged);
  items_ = std::move(pairs.items);
  report_ = std::move(pairs.report);
}

void SemSegSet::keep(int64_t count, const Accepts& among) {
  if (count > 0 && count < static_cast<int64_t>(items_.size())) items_.resize(count);
  if (!among) return;
  std::erase_if(items_, [&](const SemSegItem& item) { return !among(item); });
  report_.expected = static_cast<int64_t>(items_.size());
}

LabelMap SemSegSet::stored_ids(const SemSegItem& item) const {
  const auto& merged = merged_[item.source];
  if (merged) return merged->paint(item.stem);
  return sources_[item.source].coding == LabelCoding::ade20k_full ? read_ade20k_full(item.label)
                                                                  : read_labels(item.label);
}

Image SemSegSet::read_image(const SemSegItem& item, const LabelMap& labels) const {
  const MappedFile file(item.image);
  const std::string name = item.image.string();
  const auto agrees = [&](const Image& image) {
    return image.height == labels.height && image.width == labels.width;
  };
  DecodeOptions options{.orient = info_.exif_orientation};
  Image image = decode_rgb(file.bytes(), name, options);
  if (agrees(image)) return image;
  if (options.orient && probe(file.bytes(), name, options).orientation != 1) {
    options.orient = false;
    Image stored = decode_rgb(file.bytes(), name, options);
    if (agrees(stored)) return stored;
  }
  fail(name, ": the image is ", image.width, "×", image.height, ", but its labels ",
       item.label.string(), " are ", labels.width, "×", labels.height);
}

LabelMap SemSegSet::labels(const SemSegItem& item, int classes) const {
  LabelMap labels = stored_ids(item);
  apply_ids(labels, id_map(item), classes, info_.ignore, item.label.string());
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
    fail(name, ": it contains the id ", id, ", which ",
         map.classes.empty()
             ? str("is neither one of the ", classes, " classes nor ", ignore, " (ignored)")
             : str("has no meaning in this set's published labels (they end at ", known - 1, ")"),
         id == 65535 ? "; is 65535 what labels of 16 bits ignore here (ignore: 65535)?"
                     : "; are these the labels of another set, or labels already prepared?");
  };
  // Neighboring pixels are mostly equal: look up only when the id changes.
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
