#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "data/catalog.hpp"
#include "image/image.hpp"

namespace pixelclip {

/// An image and its labels. When the labels lie in a merged file, `label` names that file.
struct SemSegItem {
  std::filesystem::path image, label;
  std::string stem;   ///< Where several images share it: the path below the set's folder.
  size_t source = 0;  ///< Of SemSegSet::sources().
};

/// What matched and what did not.
struct PairReport {
  std::filesystem::path images, labels;                                  ///< Where they were found.
  std::vector<std::string> images_without_labels, labels_without_image;  ///< Stems.
  std::vector<std::string> ambiguous;  ///< Images with several possible labels, or the reverse.
  std::vector<std::string> left_out;   ///< "path: reason" of what could not be listed.
  /// How many labels come from each folder, where no single one has all.
  std::vector<std::pair<std::filesystem::path, int64_t>> filled_up;
  /// Images that belong to the set as far as is known: paired, without labels, ambiguous, or as
  /// many as were published.
  int64_t expected = 0;
  std::string summary(const std::string& set, size_t pairs) const;  ///< One line.
};

class MergedLabels;

/// A test set on disk: its pairs in natural order (2 before 10), and its labels. An image's label
/// has the same path below its folder, or else the same stem where only one image and one label
/// have it. Names in Unicode's composed and decomposed form are alike. Of several sources of
/// labels, the first that has all that any has is taken; where none has, later ones fill up the
/// first.
class SemSegSet {
 public:
  /// Errors: the set is not there (path and remedy), an unreadable list or merged file.
  explicit SemSegSet(const DatasetInfo& info);

  const DatasetInfo& info() const { return info_; }
  const std::vector<SemSegItem>& items() const { return items_; }
  const PairReport& report() const { return report_; }

  /// The labels of an item as classes, with the set's id map applied; ignored pixels hold
  /// info().ignore. `classes` is the number of classes that may occur. Thread-safe. Errors: an
  /// unreadable file, a file that is not one channel of ids, an id without meaning (file and
  /// value).
  LabelMap labels(const SemSegItem& item, int classes) const;
  /// The ids of an item as the file holds them, and their meaning.
  LabelMap stored_ids(const SemSegItem& item) const;
  const IdMap& id_map(const SemSegItem& item) const { return sources_[item.source].map; }
  /// Where labels are taken from; one, unless none holds them all.
  const std::vector<LabelSource>& sources() const { return sources_; }

  /// The image of an item with these labels: turned as EXIF says, or as it is stored where the
  /// labels have that size alone. Errors: unreadable; labels of neither size.
  Image read_image(const SemSegItem& item, const LabelMap& labels) const;

 private:
  DatasetInfo info_;
  std::vector<LabelSource> sources_;
  std::vector<SemSegItem> items_;
  PairReport report_;
  std::vector<std::shared_ptr<const MergedLabels>> merged_;  ///< Null where labels lie in files.
};

/// The pairs of a set, as SemSegSet lists them.
std::vector<SemSegItem> list_sem_seg(const DatasetInfo& info, PairReport& report);

/// Replaces ids by classes in place; `classes` is how many there are. `name` stands for the file in
/// errors: an id without meaning.
void apply_ids(LabelMap& labels, const IdMap& map, int classes, int ignore,
               const std::string& name);

/// Whether `a` comes before `b` when runs of digits compare as numbers.
bool natural_less(const std::string& a, const std::string& b);

}  // namespace pixelclip
