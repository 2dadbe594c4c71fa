#pragma once

#include <vector>

#include "clip/dense_encoder.hpp"
#include "inference/class_bank.hpp"
#include "inference/views.hpp"
#include "modeling/pixelclip.hpp"

namespace pixelclip {

/// Class scores of images as the keys under TEST say; with their defaults as in PixelCLIP §3.4.
/// May be called by several threads at once.
class ClassScorer {
 public:
  /// Errors: windows that do not fall on the encoder's grid.
  ClassScorer(PixelCLIP& model, const Config& config);

  /// Scores [classes, h, w] of each image, the mean over its views. They are cosines;
  /// probabilities where a threshold or a refinement needs them. No gradient.
  std::vector<torch::Tensor> operator()(const std::vector<std::vector<View>>& images,
                                        const ClassBank& bank) const;

 private:
  /// The encoder's view: [1, 3, h, w].
  torch::Tensor input(const View& view, const Size2& size) const;
  torch::Tensor view_scores(const torch::Tensor& features, Size2 input,
                            const ClassBank& bank) const;
  torch::Tensor window_scores(const View& view, const ClassBank& bank) const;
  torch::Tensor finish(torch::Tensor scores, const View& first, const ClassBank& bank) const;

  const TestConfig config_;
  DenseEncoder encoder_;
  size_t batch_;  ///< inputs encoded at once
};

}  // namespace pixelclip
