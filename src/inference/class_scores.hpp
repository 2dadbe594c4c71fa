#pragma once

#include <functional>
#include <string>
#include <vector>

#include "clip/dense_encoder.hpp"
#include "modeling/pixelclip.hpp"

namespace pixelclip {

/// The text embeddings that stand for each class.
struct ClassBank {
  torch::Tensor embeddings;    ///< [rows, C], normalised
  std::vector<int64_t> owner;  ///< class of each row, ascending
  int64_t background = -1;     ///< class called "background"; -1: there is none

  int64_t classes() const { return owner.empty() ? 0 : owner.back() + 1; }
};

/// Whether the encoder sees pictures in their own shape instead of CLIP_RESOLUTION's.
inline bool keeps_shape(const TestConfig& test) { return test.keep_aspect || test.rule == "mmseg"; }

/// One look at a picture.
struct View {
  torch::Tensor image;  ///< uint8 [3, H, W], channels as the model takes them
  Size2 input;          ///< what the encoder sees of it at once, pixels
  bool flip = false;    ///< mirrored before, and the scores mirrored back
};

/// Class scores of pictures as the keys under TEST say; with their defaults as in PixelCLIP §3.4.
/// May be called by several threads at once.
class Inference {
 public:
  /// Errors: windows that do not fall on the encoder's grid.
  Inference(PixelCLIP& model, const Config& config);

  /// Gives the normalised embeddings [rows, C] of names.
  using Embed = std::function<torch::Tensor(const std::vector<std::string>& names)>;
  /// The rows for `names`: one a class; or with TEST.SYNONYMS max one a synonym, and with
  /// TEST.BACKGROUND words one a word for the class "background".
  ClassBank class_bank(const std::vector<std::string>& names, const Embed& embed) const;

  /// Scores [classes, h, w] of each picture, the mean over its views. They are cosines;
  /// probabilities where a threshold or a refinement needs them. No gradient.
  std::vector<torch::Tensor> operator()(const std::vector<std::vector<View>>& pictures,
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

/// Scores [rows, …] → [classes, …]: the best of each class's rows.
torch::Tensor best_of_rows(const torch::Tensor& scores, const std::vector<int64_t>& owner);

/// Pixel-adaptive mask refinement (Araslanov and Roth, CVPR 2020, §3.3): `masks` [N, H, W] become,
/// in each iteration, the mean over the eight neighbours at each of `dilations` pixels, weighed by
/// how alike the pixels of `image` [3, H, W] are. Costs 8 · dilations · iterations passes over the
/// masks.
torch::Tensor refine_pamr(torch::Tensor masks, const torch::Tensor& image,
                          const PamrConfig& config);

}  // namespace pixelclip
