#pragma once

#include <string>
#include <vector>

#include "data/sem_seg.hpp"
#include "evaluation/evaluate.hpp"
#include "evaluation/progress_file.hpp"
#include "evaluation/report.hpp"

namespace pixelclip {

/// Chooses the best, the worst and some random images of a set by their own mean IoU.
class ExamplePicker {
 public:
  /// `count` of each kind; 0: none.
  ExamplePicker(const SemSegSet& set, const std::vector<std::string>& names, ScoreRule rule,
                int count);

  void consider(const ImageRecord& record);
  /// Reads the chosen images again; `file` supplies their predictions.
  std::vector<Example> pick(const ProgressFile& file) const;

 private:
  struct Scored {
    double score;
    int64_t index;
  };
  const SemSegSet& set_;
  const std::vector<std::string>& names_;
  ScoreRule rule_;
  int count_;
  std::vector<Scored> scored_;
};

/// The share of an image's pixels, 0 to 1, that not all of these predictions (predictions_json)
/// label alike; 0 for none.
double disagreement(const std::vector<std::string>& predictions);

/// An image of a set with the predictions of several ways, for people to look at.
ContestedImage contested_image(const SemSegSet& set, const std::vector<std::string>& names,
                               int64_t index, const std::vector<std::string>& predictions);

}  // namespace pixelclip
