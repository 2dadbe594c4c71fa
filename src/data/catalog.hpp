#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "data/id_maps.hpp"

namespace pixelclip {

enum class DatasetKind {
  sa1b,     ///< Training: images and unnamed masks in SA-1B's layout.
  sem_seg,  ///< Test: images and label maps.
};

/// How classes without ground-truth pixels are counted (see evaluation/confusion.hpp).
enum class ScoreRule { detectron2, cityscapes, mmseg };

/// How a label file stores the id of a pixel.
enum class LabelCoding {
  ids,          ///< One channel or a palette of ids.
  ade20k_full,  ///< RGB as in the full ADE20K: id = 256 · ⌊R / 10⌋ + G.
};

/// One possible location of a set's labels.
struct LabelSource {
  std::filesystem::path path = {};  ///< A folder of files, or Pascal-Context's merged JSON file.
  /// What follows the image's stem in a label's file name. Without an extension, those of
  /// label_endings() are tried.
  std::string suffix = {};
  IdMap map = {};
  const char* phase = "val";  ///< A literal: which images of a merged JSON file belong to the set.
  bool prepared = false;      ///< Written by `pixelclip prepare`; the others are as published.
  LabelCoding coding = LabelCoding::ids;
  /// Text file of the stems that belong to the set, where the folder holds more; without this file
  /// the source does not count.
  std::filesystem::path list = {};
};

/// Description of a data set. Constructing it does not access the disk.
struct DatasetInfo {
  std::string name = {};
  DatasetKind kind = DatasetKind::sem_seg;
  /// Folders of images, tried in order; for sa1b, `labels` holds the annotations of each in turn.
  std::vector<std::filesystem::path> images = {};
  std::vector<LabelSource> labels = {};  ///< Tried in order: as prepared, then as published.
  std::string image_suffix = {};         ///< Suffix of an image's stem that its label's stem lacks.
  std::filesystem::path list =
      {};                         ///< Text file of the stems that belong to the set; may be empty.
  bool list_required = false;     ///< A missing list is an error; else all images belong.
  int64_t published_images = 0;   ///< Of the published set; 0: unknown.
  bool images_hold_more = false;  ///< Images without labels belong to other sets: not reported.
  bool skip_unlabelled = false;   ///< Images whose labels are all ignored are left out.
  std::filesystem::path class_json = {};  ///< JSON array of class names.
  std::vector<std::string> names = {};    ///< Class names given in place of a file.
  int classes = 0;                        ///< Number of classes in the labels; 0: as many as names.
  ScoreRule rule = ScoreRule::detectron2;
  int ignore = 255;
  /// category_id of each class in sem_seg_predictions.json; empty: the class's number.
  std::vector<int32_t> prediction_ids = {};
  bool exif_orientation = true;  ///< See DATASETS.EXIF_ORIENTATION.
  /// `prepare` shrinks images and labels to this short side, as the public script does; 0: it
  /// writes labels alone, at their size.
  int prepared_side = 0;
  CustomKind masks_kind = CustomKind::automatic;  ///< of a declared training set
  std::string how_to_get = {};  ///< Clause for the error message if the set is missing.
};

/// The set that a configuration declares under DATASETS.CUSTOM. Errors: neither labels nor masks,
/// labels without names, ids below 0.
DatasetInfo custom_dataset(const CustomDataset& custom);

/// Root folders of data sets.
struct DatasetRoots {
  std::filesystem::path test = "datasets";  ///< $DETECTRON2_DATASETS
  std::filesystem::path sa1b = "datasets";  ///< $SAM_DATASETS

  /// The given folders if not empty, else those of the environment variables, else `datasets`.
  static DatasetRoots find(const std::string& test = "", const std::string& sa1b = "");
};

/// The known data sets, plus those that a configuration declares.
class Catalog {
 public:
  explicit Catalog(const DatasetRoots& roots = DatasetRoots::find());
  /// With the folders and sets of the configuration.
  explicit Catalog(const DatasetsConfig& config);

  /// Errors: an unknown name; the message suggests the nearest known one.
  const DatasetInfo& find(const std::string& name) const;
  bool knows(const std::string& name) const;
  std::vector<std::string> names() const;
  /// Adds a set or replaces the one with this name.
  void add(DatasetInfo info);

 private:
  std::vector<DatasetInfo> sets_;
};

/// The endings of label file names that a source accepts, in order of preference: its suffix,
/// followed by .png, .tif, .tiff or .bmp if it has no extension.
std::vector<std::string> label_endings(const LabelSource& source);

/// The first folder of images that is there, and the labels (a folder counts when it holds a file
/// with one of the source's endings): the first source and those behind it. Errors: what was looked
/// for and how to get it.
struct DatasetPaths {
  std::filesystem::path images;
  LabelSource labels;
  std::vector<LabelSource> more = {};  ///< Other existing labels of a test set.
};
DatasetPaths locate(const DatasetInfo& info);
/// Whether locate() would succeed; if not, `why` receives its message.
bool on_disk(const DatasetInfo& info, std::string* why = nullptr);

/// Class names of a test set. Errors: its class JSON is missing or no array of strings, or their
/// number disagrees with the labels.
std::vector<std::string> class_names(const DatasetInfo& info);

}  // namespace pixelclip
