#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "data/catalog.hpp"
#include "data/sem_seg.hpp"

namespace pixelclip {

/// Named scores in the order of detectron2's results.json. Percent; NaN where a score is undefined.
using Results = std::vector<std::pair<std::string, double>>;

/// Counts of pixels [predicted class + ignored row, true class + ignored column]: the last true
/// column counts ignored pixels, as in detectron2's SemSegEvaluator.
class Confusion {
 public:
  explicit Confusion(int classes = 0)
      : classes_(classes), counts_(static_cast<size_t>(classes + 1) * (classes + 1)) {}

  int classes() const { return classes_; }
  std::vector<int64_t>& counts() { return counts_; }
  const std::vector<int64_t>& counts() const { return counts_; }
  int64_t at(int predicted, int truth) const { return counts_[predicted * (classes_ + 1) + truth]; }

  /// Adds an image; pixels whose truth is `ignore` are counted in the last column. Ids of both maps
  /// must be below classes() (or `ignore`). Errors: different sizes, a larger id (with its value).
  void add(const LabelMap& predicted, const LabelMap& truth, int ignore);
  void add(const Confusion& other);

 private:
  int classes_;
  std::vector<int64_t> counts_;
};

/// Scores of each class as fractions; NaN if undefined.
struct ClassScores {
  std::vector<double> iou, accuracy;
  double mean_iou = 0, frequency_iou = 0, mean_accuracy = 0, pixel_accuracy = 0;
};

/// detectron2: IoU and accuracy are defined for classes with true pixels. cityscapes and mmseg: IoU
/// is 0 for a class that is only predicted, undefined for one that is neither. Pixels with ignored
/// truth are not counted, nor are predictions on them.
ClassScores class_scores(const Confusion& confusion, ScoreRule rule);

/// IoU of a boundary confusion: defined if the union is not empty (detectron2).
std::vector<double> boundary_iou(const Confusion& boundary);

/// IoU of Cityscapes' seven categories: flat, construction, object, nature, sky, human, vehicle.
std::vector<std::pair<std::string, double>> cityscapes_categories(const Confusion& confusion);

/// Class names as unique keys: a repeated name gets its index, "wall (class 7)".
std::vector<std::string> unique_names(const std::vector<std::string>& names);

/// All scores of a set in detectron2's order of keys, under unique_names(); `boundary` may be null.
Results results_of(const Confusion& confusion, const Confusion* boundary,
                   const std::vector<std::string>& names, ScoreRule rule);

}  // namespace pixelclip
