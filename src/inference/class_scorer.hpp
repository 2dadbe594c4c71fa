#pragma once

#include <memory>
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
  /// Encodes as MODEL.DENSE says, with `helper`, or one that it reads itself. Errors: windows that
  /// do not fall on the encoder's grid; a method that the model or the keys do not allow.
  ClassScorer(PixelCLIP& model, const ModelConfig& config, const TestConfig& test,
              std::shared_ptr<const DenseHelper> helper = nullptr);
  /// Encodes by `recipe`, whatever MODEL.DENSE says.
  ClassScorer(PixelCLIP& model, const ModelConfig& config, const TestConfig& test,
              DenseRecipe recipe);

  /// Scores [classes, h, w] of each image, the mean over its views. They are cosines;
  /// probabilities where a threshold or a refinement needs them. With TEST.SCORES pixels, the
  /// labels [H, W] int32 at the image's size (pixel_labels). No gradient.
  std::vector<torch::Tensor> operator()(const std::vector<std::vector<View>>& images,
                                        const ClassBank& bank) const;

 private:
  /// The encoder's view: [1, 3, h, w].
  torch::Tensor input(const View& view, const Size2& size) const;
  torch::Tensor view_scores(const torch::Tensor& features, Size2 input,
                            const ClassBank& bank) const;
  torch::Tensor window_scores(const View& view, const ClassBank& bank) const;
  torch::Tensor labels(const View& view, const ClassBank& bank) const;
  torch::Tensor finish(torch::Tensor scores, const View& first, const ClassBank& bank) const;

  const TestConfig test_;
  DenseEncoder encoder_;
  size_t batch_;  ///< inputs encoded at once
};

}  // namespace pixelclip
