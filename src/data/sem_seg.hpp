#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "data/catalog.hpp"
#include "image/image.hpp"

namespace pixelclip {

/// An image and its labels; `label` may be a merged file of many images.
struct SemSegItem {
  std::filesystem::path image, label;
  std::string stem;   ///< If several images share the stem: the path below the set's folder.
  size_t source = 0;  ///< Index in SemSegSet::sources().
};

/// Result of pairing images and labels.
struct PairReport {
  std::filesystem::path images, labels;  ///< Folders where they were found.
  std::vector<std::string> images_without_labels, labels_without_image;  ///< Stems.
  std::vector<std::string> ambiguous;  ///< Images with several possible labels, or the reverse.
  std::vector<std::string> left_out;   ///< "path: reason" of what could not be listed.
  /// Number of labels from each folder, if no single folder has all.
  std::vector<std::pair<std::filesystem::path, int64_t>> filled_up;
  /// Number of images that belong to the set: paired, without labels and ambiguous ones, but at
  /// least the published number.
  int64_t expected = 0;
  std::string summary(const std::string& set, size_t pairs) const;  ///< One line.
};

class MergedLabels;

/// A test set on disk: its pairs in natural order (2 before 10) and its labels. An image's label
/// has the same path below its folder, or else the same stem if only one image and one label have
/// it. Composed and decomposed Unicode names are equal. Of several label sources, the first
/// complete one is used; if none is complete, later ones supplement the first.
class SemSegSet {
 public:
  /// Errors: the set is missing (path and remedy), an unreadable list or merged file.
  explicit SemSegSet(const DatasetInfo& info);

  const DatasetInfo& info() const { return info_; }
  const std::vector<SemSegItem>& items() const { return items_; }
  const PairReport& report() const { return report_; }
  /// Leaves out all but the first `count` items (0: all), and of these the ones that `among` does
  /// not accept (empty: accepts all).
  using Accepts = std::function<bool(const SemSegItem&)>;
  void keep(int64_t count, const Accepts& among);

  /// The labels of an item as classes, with the set's id map applied; ignored pixels are
  /// info().ignore. `classes` is the number of classes that may occur. Thread-safe. Errors: an
  /// unreadable file, a file that is not one channel of ids, an unknown id (file and value).
  LabelMap labels(const SemSegItem& item, int classes) const;
  /// The ids of an item as stored in the file, and their map.
  LabelMap stored_ids(const SemSegItem& item) const;
  const IdMap& id_map(const SemSegItem& item) const { return sources_[item.source].map; }
  /// Sources of the labels; one unless none is complete.
  const std::vector<LabelSource>& sources() const { return sources_; }

  /// Reads the image of an item with these labels: rotated by EXIF, or as stored if the labels have
  /// only that size. Errors: unreadable; labels of neither size.
  Image read_image(const SemSegItem& item, const LabelMap& labels) const;

 private:
  DatasetInfo info_;
  std::vector<LabelSource> sources_;
  std::vector<SemSegItem> items_;
  PairReport report_;
  std::vector<std::shared_ptr<const MergedLabels>> merged_;  ///< Null for label files.
};

/// The pairs of a set, as SemSegSet lists them.
std::vector<SemSegItem> list_sem_seg(const DatasetInfo& info, PairReport& report);

/// Replaces ids by classes in place; `classes` is their number. Errors begin with `name`: an
/// unknown id.
void apply_ids(LabelMap& labels, const IdMap& map, int classes, int ignore,
               const std::string& name);

/// Whether `a` comes before `b` when runs of digits compare as numbers.
bool natural_less(const std::string& a, const std::string& b);

}  // namespace pixelclip
