#include "inference/class_scorer.hpp"

#include <torch/utils.h>

#include <algorithm>

#include "base/error.hpp"
#include "inference/pamr.hpp"
#include "inference/pixel_scores.hpp"
#include "inference/windows.hpp"
#include "io/load_into.hpp"
#include "modeling/dense_recipe.hpp"
#include "nn/functional.hpp"

namespace pixelclip {
using torch::Tensor;
namespace {

/// [C, h, w] → [C, size].
Tensor resized(const Tensor& x, Size2 size) {
  return resize_bilinear(x.unsqueeze(0), size.height, size.width)[0];
}

/// The grid of the scores: square, or that long on the short side where the image keeps its shape.
Size2 grid_of(Size2 input, bool keeps_aspect) {
  if (!keeps_aspect) return {kScoreGrid, kScoreGrid};
  const int64_t shorter = std::min(input.height, input.width);
  return {input.height * kScoreGrid / shorter, input.width * kScoreGrid / shorter};
}

/// The student's encoder in MODEL.PRECISION: in bfloat16 a copy whose matrices lie in it, so that
/// autocast need not convert them for every image.
ImageEncoder inference_encoder(PixelCLIP& model, FloatType precision) {
  if (precision != FloatType::bfloat16) return model->clip()->visual;
  StateDict visual;
  for (const auto& item : model->clip()->visual->named_parameters())
    visual.emplace(item.key(), item.value().detach());
  auto encoder = make_image_encoder(model->clip()->architecture());
  load_into(*encoder, visual);
  encoder->to(model->device());
  encoder->eval();
  keep_matrices_in_bfloat16(*encoder);
  return encoder;
}

/// Cosines [rows, h, w] of normalised rows [rows, C] with features [C, h, w] of any length.
Tensor cosines(const Tensor& features, const Tensor& rows) {
  const auto x = features.flatten(1);
  const auto length = x.norm(2, 0).clamp_min(1e-12);
  return (torch::matmul(rows, x) / length).view({rows.size(0), features.size(1), features.size(2)});
}

}  // namespace

ClassScorer::ClassScorer(PixelCLIP& model, const ModelConfig& config, const TestConfig& test,
                         std::shared_ptr<const DenseHelper> helper)
    : ClassScorer(model, config, test, dense_recipe(config, model->device(), std::move(helper))) {}

ClassScorer::ClassScorer(PixelCLIP& model, const ModelConfig& config, const TestConfig& test,
                         DenseRecipe recipe)
    : test_(test),
      encoder_(inference_encoder(model, config.precision),
               {config.clip_pixel_mean, config.clip_pixel_std, model->device()},
               autocast_type(to_string(config.precision)), std::move(recipe)),
      // A CPU gains nothing from batches, and alone an image's scores do not depend on others.
      batch_(model->device().is_cpu() ? 1
             : test_.batch_size > 0   ? test_.batch_size
                                      : 8) {
  check_dense(model->clip()->architecture(), dense_options(config));
  if (test_.scores == ScoreGrid::pixels) return;  // windows may lie anywhere
  const auto& window = test_.sliding_window;
  for (const int64_t side :
       {window.size.height, window.size.width, window.stride.height, window.stride.width}) {
    if (window.enabled && side % encoder_.patch() != 0) {
      fail("TEST.SLIDING_WINDOW holds the length ", side,
           "; sizes and strides must be multiples of this encoder's ", encoder_.patch(),
           " pixels, so that windows fall on its grid");
    }
  }
}

Tensor ClassScorer::input(const View& view, const Size2& size) const {
  return encoder_.input(view.flip ? view.image.flip(2) : view.image, size.height, size.width);
}

/// Features [h, w, C] of a whole view → [classes, grid].
Tensor ClassScorer::view_scores(const Tensor& features, Size2 input, const ClassBank& bank) const {
  const Size2 grid = grid_of(input, keeps_shape(test_));
  const auto x = resized(features.permute({2, 0, 1}), grid);
  return best_of_rows(cosines(x, bank.embeddings), bank.owner);
}

/// Overlapping windows of the view, encoded one by one; features or scores averaged on the
/// encoder's grid.
Tensor ClassScorer::window_scores(const View& view, const ClassBank& bank) const {
  const auto& [enabled, size, stride, average, pad] = test_.sliding_window;
  const int64_t height = std::max(view.input.height, size.height),
                width = std::max(view.input.width, size.width);
  const auto image = input(view, {height, width});  // [1, 3, height, width]
  std::vector<Size2> places;
  std::vector<Tensor> windows;
  for (const int64_t y : window_starts(height, size.height, stride.height)) {
    for (const int64_t x : window_starts(width, size.width, stride.width)) {
      places.push_back({y, x});
      windows.push_back(image.slice(2, y, y + size.height).slice(3, x, x + size.width));
    }
  }
  const auto features = encoder_.dense(windows, batch_);
  const int64_t patch = encoder_.patch();
  const bool of_features = average == WindowAverage::features;
  const int64_t depth = of_features ? features[0].size(2) : bank.embeddings.size(0);
  WindowMean mean(depth, height / patch, width / patch, features[0].options());
  for (size_t i = 0; i < windows.size(); ++i) {
    auto x = l2_normalise(features[i]);  // [h, w, C]
    if (!of_features) x = torch::matmul(x, bank.embeddings.t());
    mean.add(x.permute({2, 0, 1}), places[i].height / patch, places[i].width / patch);
  }
  auto scores = mean.mean();
  if (of_features) scores = cosines(scores, bank.embeddings);
  return best_of_rows(scores, bank.owner);
}

std::vector<Tensor> ClassScorer::operator()(const std::vector<std::vector<View>>& images,
                                            const ClassBank& bank) const {
  const torch::NoGradGuard no_grad;
  std::vector<Tensor> result;
  if (test_.scores == ScoreGrid::pixels) {
    for (const auto& views : images) result.push_back(labels(views.front(), bank));
    return result;
  }
  const bool windows = test_.sliding_window.enabled;
  std::vector<Tensor> inputs;
  if (!windows) {
    for (const auto& views : images) {
      for (const View& view : views) inputs.push_back(input(view, view.input));
    }
  }
  const auto features = encoder_.dense(inputs, batch_);
  size_t next = 0;
  for (const auto& views : images) {
    Tensor sum;
    for (const View& view : views) {
      auto scores =
          windows ? window_scores(view, bank) : view_scores(features[next++], view.input, bank);
      if (view.flip) scores = scores.flip(2);
      if (sum.defined() && sum.sizes() != scores.sizes())
        scores = resized(scores, {sum.size(1), sum.size(2)});
      sum = sum.defined() ? sum + scores : scores;
    }
    if (views.size() > 1) sum = sum / static_cast<double>(views.size());
    result.push_back(finish(sum, views.front(), bank));
  }
  return result;
}

Tensor ClassScorer::labels(const View& view, const ClassBank& bank) const {
  const auto image = input(view, view.input);  // [1, 3, h, w]
  const PixelScores scores(encoder_, image, view.full.height, view.full.width, bank.embeddings,
                           test_.sliding_window, batch_);
  return pixel_labels(scores, image, bank, test_);
}

Tensor ClassScorer::finish(Tensor scores, const View& first, const ClassBank& bank) const {
  const auto& background = test_.background;
  const bool by_probability = background.mode == BackgroundMode::threshold && bank.background >= 0;
  if (!by_probability && test_.refine == Refinement::none) return scores;
  scores = scores * background.scale;
  if (by_probability) scores[bank.background].fill_(-std::numeric_limits<double>::infinity());
  scores = scores.softmax(0);
  if (by_probability) scores[bank.background].fill_(background.threshold);
  if (test_.refine == Refinement::none) return scores;
  const auto image = encoder_.input(first.image, first.input.height, first.input.width);
  return refine_pamr(resized(scores, first.input), image[0], test_.pamr);
}

}  // namespace pixelclip
