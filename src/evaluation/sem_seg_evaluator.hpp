#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "evaluation/confusion.hpp"

namespace pixelclip {

/// Scores label maps as detectron2's SemSegEvaluator does.
class SemSegEvaluator {
 public:
  SemSegEvaluator(std::vector<std::string> names, ScoreRule rule, int ignore);

  /// Adds one image. Errors begin with `file_name`.
  void process(const std::string& file_name, const LabelMap& prediction, const LabelMap& truth);
  /// Adds another evaluator's matrices (not its predictions).
  void merge(const SemSegEvaluator& other);
  Results finish() const;

  Confusion& confusion() { return confusion_; }
  const Confusion& confusion() const { return confusion_; }
  /// Has no classes unless the rule is detectron2's and supports their number.
  Confusion& boundary() { return boundary_; }
  const Confusion& boundary() const { return boundary_; }
  int64_t images() const { return images_; }
  const std::vector<std::string>& names() const { return names_; }

 private:
  std::vector<std::string> names_;
  ScoreRule rule_;
  int ignore_;
  Confusion confusion_, boundary_;
  int64_t images_ = 0;
};

/// The predictions of one image as the elements of detectron2's sem_seg_predictions.json without
/// the brackets around them: file_name, category_id, COCO RLE; one for each class present,
/// ascending. `ids` holds the category_id of each class; empty: the class's number, as detectron2
/// writes for sets without stuff_dataset_id_to_contiguous_id.
std::string predictions_json(const std::string& file_name, const LabelMap& prediction,
                             const std::vector<int32_t>& ids = {});

}  // namespace pixelclip
