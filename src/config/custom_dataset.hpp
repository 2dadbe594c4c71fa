#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "config/enumerations.hpp"
#include "config/raw_value.hpp"

namespace pixelclip {

/// A data set that a user declares in YAML (DATASETS.CUSTOM); paths are relative to the working
/// directory. Its keys in YAML are the members' names in lower case.
struct CustomDataset {
  std::string name;  ///< in DATASETS.TRAIN, DATASETS.TEST and TEST.PROTOCOL
  CustomKind kind = CustomKind::automatic;
  std::string images;  ///< folder of images, searched recursively
  std::string masks;   ///< training: folder of SA-1B JSON or ID PNGs, or one COCO instance JSON
  std::string labels;  ///< test: folder of label files, matched to the images by path or stem
  std::string
      label_suffix;  ///< test: end of a label's name after the stem: "_mask.png", "_labelIds"
  std::string image_suffix;        ///< test: end of the stem of an image that its label lacks
  std::string list;                ///< test: text file of the images of the set
  std::vector<std::string> names;  ///< class names in the order of the labels
  std::string names_file;          ///< or a JSON file of them (YAML: a text under `names`)
  /// Label without effect on the score; -1: 255, or 65535 with more than 255 classes.
  int64_t ignore = -1;
  std::vector<std::pair<int64_t, int64_t>> id_map;  ///< label on disk → class; others → ignore
  bool operator==(const CustomDataset&) const = default;
};

namespace config {

/// A map of DATASETS.CUSTOM. Errors: unknown or missing entries, wrong types.
CustomDataset read_custom_dataset(const RawValue& value);

}  // namespace config
}  // namespace pixelclip
