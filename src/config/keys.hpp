#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace pixelclip {

/// Two lengths, in the order of PyTorch and detectron2: height first. YAML takes one number as
/// well.
struct Size2 {
  int64_t height = 0;
  int64_t width = 0;
  bool operator==(const Size2&) const = default;
};

/// A data set that a user declares in YAML (DATASETS.CUSTOM); paths are relative to the working
/// directory. Its keys in YAML are the members' names in lower case.
struct CustomDataset {
  std::string name;    ///< what DATASETS.TRAIN, DATASETS.TEST and TEST.PROTOCOL call it
  std::string kind;    ///< one of custom_dataset_kinds(); "": recognised by what is given
  std::string images;  ///< folder of pictures, searched recursively
  std::string masks;   ///< training: folder of SA-1B JSON or ID PNGs, or one COCO instance JSON
  std::string labels;  ///< test: folder of label files, matched to the images by path or stem
  std::string
      label_suffix;  ///< test: ends a label's name behind the stem: "_mask.png", "_labelIds"
  std::string image_suffix;  ///< test: ends a picture's stem without being part of its label's
  std::string list;          ///< test: text file of the pictures that belong to the set
  std::vector<std::string> names;  ///< class names in label order, written in place
  std::string names_file;          ///< or the JSON file they stand in (YAML: a text under `names`)
  /// Label that is left out of the score; -1: 255, or 65535 where there are more than 255 classes.
  int64_t ignore = -1;
  std::vector<std::pair<int64_t, int64_t>> id_map;  ///< label on disk → class; the rest → ignore
  bool operator==(const CustomDataset&) const = default;
};

/// "sa1b", "coco", "id_png" (training masks), "images" (for DINO masks), "sem_seg" (test).
const std::vector<std::string>& custom_dataset_kinds();

namespace config {

/// What a key accepts beyond its type; for lists it holds for each element.
struct Rule {
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
  bool open_low = false;                  ///< `low` itself is not accepted
  std::vector<std::string> choices = {};  ///< for texts
  int64_t count = 0;                      ///< elements a list must have; 0: any number
};

inline Rule at_least(double low, int64_t count = 0) { return {.low = low, .count = count}; }
inline Rule more_than(double low, int64_t count = 0) {
  return {.low = low, .open_low = true, .count = count};
}
inline Rule between(double low, double high) { return {.low = low, .high = high}; }
inline Rule one_of(std::vector<std::string> choices) { return {.choices = std::move(choices)}; }
inline Rule exactly(int64_t count) { return {.count = count}; }

using Target =
    std::variant<bool*, int64_t*, double*, std::string*, Size2*, std::vector<int64_t>*,
                 std::vector<double>*, std::vector<std::string>*, std::vector<CustomDataset>*>;

/// One key bound to the member that holds its value.
struct Key {
  std::string name;  ///< dotted, for example SOLVER.AMP.ENABLED
  Target target;
  std::string meaning;
  Rule rule;
};

/// Collects the keys of a Config: each section's `visit` calls it once a key or nested section.
class Keys {
 public:
  template <class T>
  void operator()(const char* name, T& member, const char* meaning, Rule rule = {}) {
    keys_.push_back({prefix_ + name, &member, meaning, std::move(rule)});
  }

  template <class T>
  void section(const char* name, T& member) {
    const std::string outer = prefix_;
    prefix_ += std::string(name) + ".";
    member.visit(*this);
    prefix_ = outer;
  }

  std::vector<Key> take() { return std::move(keys_); }

 private:
  std::string prefix_;
  std::vector<Key> keys_;
};

}  // namespace config
}  // namespace pixelclip
