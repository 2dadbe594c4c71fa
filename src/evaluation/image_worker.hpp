#pragma once

#include <string>
#include <vector>

#include "data/sem_seg.hpp"
#include "evaluation/evaluate.hpp"
#include "evaluation/progress_file.hpp"
#include "evaluation/sem_seg_evaluator.hpp"

namespace pixelclip {

/// What one way of scoring makes of an image.
struct ScoredAs {
  std::vector<std::string> names;
  ScoreRule rule;
  bool with_predictions;
};

/// One thread of an evaluation: reads images, computes their scores, segments and counts.
class ImageWorker {
 public:
  ImageWorker(const SemSegSet& set, const std::vector<ScoredAs>& ways);

  /// Records [indices][ways] of the items `indices` of the set, all of them in one call of
  /// `scores`; those of ways that are not `wanted` stay empty. A file that cannot be read leaves
  /// its image out. Errors: an id without meaning, because then the class list or the set is the
  /// wrong one; scores that are not finite.
  std::vector<std::vector<ImageRecord>> operator()(const std::vector<int64_t>& indices,
                                                   const std::vector<size_t>& wanted,
                                                   const WaysScoreFunction& scores);

 private:
  struct Way {
    SemSegEvaluator evaluator;
    bool with_predictions;
  };
  ImageRecord read(int64_t index, Image& image, LabelMap& truth) const;
  static std::vector<LabelMap> label_maps(const std::vector<torch::Tensor>& scores, const Way& way,
                                          const std::vector<std::string>& files,
                                          const std::vector<Size2>& sizes);
  void count(Way& way, ImageRecord& record, const LabelMap& prediction, const LabelMap& truth);

  const SemSegSet& set_;
  std::vector<Way> ways_;
};

}  // namespace pixelclip
