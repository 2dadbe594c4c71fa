#include "inference/class_scores.hpp"

#include <torch/utils.h>

#include <algorithm>
#include <map>

#include "base/error.hpp"
#include "nn/autocast.hpp"
#include "nn/functional.hpp"
#include "text/prompts.hpp"

namespace pixelclip {
using torch::Tensor;
namespace {

constexpr int64_t score_grid = 64;

/// [C, h, w] → [C, size].
Tensor resized(const Tensor& x, Size2 size) {
  return resize_bilinear(x.unsqueeze(0), size.height, size.width)[0];
}

/// The grid of the scores: 64×64, or 64 on the short side where the picture keeps its shape.
Size2 grid_of(Size2 input, bool keeps_aspect) {
  if (!keeps_aspect) return {score_grid, score_grid};
  const int64_t shorter = std::min(input.height, input.width);
  return {input.height * score_grid / shorter, input.width * score_grid / shorter};
}

/// A copy whose matrices lie in bfloat16, so that autocast need not convert them for every picture.
ImageEncoder bfloat16_copy(PixelCLIP& model) {
  StateDict visual;
  for (const auto& item : model->clip()->named_parameters()) {
    if (item.key().starts_with("visual."))
      visual.emplace(item.key().substr(7), item.value().detach());
  }
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

std::vector<int64_t> window_starts(int64_t length, int64_t size, int64_t stride) {
  std::vector<int64_t> starts;
  for (int64_t at = 0; at + size < length; at += stride) starts.push_back(at);
  starts.push_back(length - size);
  return starts;
}

}  // namespace

Inference::Inference(PixelCLIP& model, const Config& config)
    : model_config_(config.model), config_(config.test), device_(model->device()) {
  encoder_ = model_config_.precision == "bfloat16" ? bfloat16_copy(model) : model->clip()->visual;
  const auto channel_values = [&](const std::vector<double>& values) {
    return torch::tensor(values, torch::kFloat).view({3, 1, 1}).to(device_);
  };
  mean_ = channel_values(model_config_.clip_pixel_mean);
  deviation_ = channel_values(model_config_.clip_pixel_std);
  const auto& window = config_.sliding_window;
  for (const int64_t side :
       {window.size.height, window.size.width, window.stride.height, window.stride.width}) {
    if (window.enabled && side % encoder_->patch() != 0) {
      fail("TEST.SLIDING_WINDOW holds the length ", side,
           "; sizes and strides must be multiples of this encoder's ", encoder_->patch(),
           " pixels, so that windows fall on its grid");
    }
  }
}

ClassBank Inference::class_bank(const std::vector<std::string>& names, const Embed& embed) const {
  ClassBank bank;
  std::vector<std::string> rows;
  for (size_t c = 0; c < names.size(); ++c) {
    std::vector<std::string> own = {names[c]};
    if (config_.synonyms == "max") {
      own = split_synonyms(names[c]);
      for (auto& name : own) name = with_escaped_commas(name);
    }
    if (names[c] == "background") {
      bank.background = static_cast<int64_t>(c);
      if (config_.background.mode == "words") own = read_class_names(config_.background.words);
    }
    bank.owner.insert(bank.owner.end(), own.size(), static_cast<int64_t>(c));
    rows.insert(rows.end(), own.begin(), own.end());
  }
  bank.embeddings = embed(rows);
  return bank;
}

Tensor Inference::preprocess(const Tensor& image, Size2 size, bool flip) const {
  auto x = (image.to(device_).to(torch::kFloat) - mean_) / deviation_;
  if (flip) x = x.flip(2);
  return resized(x, size);
}

std::vector<Tensor> Inference::encode(const std::vector<Tensor>& inputs) {
  std::map<std::pair<int64_t, int64_t>, std::vector<size_t>> by_size;
  for (size_t i = 0; i < inputs.size(); ++i)
    by_size[{inputs[i].size(1), inputs[i].size(2)}].push_back(i);
  // A CPU gains nothing from batches, and alone a picture's scores do not depend on its neighbours.
  const size_t batch = device_.is_cpu() ? 1 : config_.batch_size > 0 ? config_.batch_size : 8;
  std::optional<torch::ScalarType> type;
  if (model_config_.precision == "bfloat16") type = torch::kBFloat16;
  const Autocast autocast(device_, type);
  std::vector<Tensor> features(inputs.size());
  for (const auto& [size, members] : by_size) {
    for (size_t first = 0; first < members.size(); first += batch) {
      const size_t last = std::min(members.size(), first + batch);
      std::vector<Tensor> some;
      for (size_t i = first; i < last; ++i) some.push_back(inputs[members[i]]);
      const auto dense = encoder_->dense(torch::stack(some)).to(torch::kFloat);  // [B, h, w, C]
      for (size_t i = first; i < last; ++i) features[members[i]] = dense[i - first];
    }
  }
  return features;
}

Tensor best_of_rows(const Tensor& scores, const std::vector<int64_t>& owner) {
  const auto rows = static_cast<int64_t>(owner.size());
  const int64_t classes = owner.back() + 1;
  if (rows == classes) return scores;
  auto shape = scores.sizes().vec();
  shape[0] = classes;
  auto index = torch::tensor(owner, torch::kLong).to(scores.device());
  while (index.dim() < scores.dim()) index = index.unsqueeze(-1);
  return torch::empty(shape, scores.options())
      .scatter_reduce(0, index.expand_as(scores), scores, "amax",
                      /*include_self=*/false);
}

/// Features [h, w, C] of a whole view → [classes, grid].
Tensor Inference::view_scores(const Tensor& features, Size2 input, const ClassBank& bank) const {
  const Size2 grid = grid_of(input, keeps_shape(config_));
  const auto x = resized(features.permute({2, 0, 1}), grid);
  return best_of_rows(cosines(x, bank.embeddings), bank.owner);
}

/// Overlapping windows of the view, encoded one by one; features or scores averaged on the
/// encoder's grid.
Tensor Inference::window_scores(const View& view, const ClassBank& bank) {
  const auto& [enabled, size, stride, average] = config_.sliding_window;
  const int64_t height = std::max(view.input.height, size.height),
                width = std::max(view.input.width, size.width);
  const auto image = preprocess(view.image, {height, width}, view.flip);
  std::vector<Size2> places;
  std::vector<Tensor> windows;
  for (const int64_t y : window_starts(height, size.height, stride.height)) {
    for (const int64_t x : window_starts(width, size.width, stride.width)) {
      places.push_back({y, x});
      windows.push_back(image.slice(1, y, y + size.height).slice(2, x, x + size.width));
    }
  }
  const auto features = encode(windows);
  const int64_t patch = encoder_->patch();
  const bool of_features = average == "features";
  const int64_t depth = of_features ? features[0].size(2) : bank.embeddings.size(0);
  auto sum = torch::zeros({depth, height / patch, width / patch}, features[0].options());
  auto count = torch::zeros({height / patch, width / patch}, features[0].options());
  for (size_t i = 0; i < windows.size(); ++i) {
    auto x = l2_normalise(features[i]);  // [h, w, C]
    if (!of_features) x = torch::matmul(x, bank.embeddings.t());
    const int64_t top = places[i].height / patch, left = places[i].width / patch;
    const auto part = [&](const Tensor& all, int64_t dim) {
      return all.slice(dim, top, top + x.size(0)).slice(dim + 1, left, left + x.size(1));
    };
    part(sum, 1).add_(x.permute({2, 0, 1}));
    part(count, 0).add_(1);
  }
  auto scores = sum / count;
  if (of_features) scores = cosines(scores, bank.embeddings);
  return best_of_rows(scores, bank.owner);
}

std::vector<Tensor> Inference::operator()(const std::vector<std::vector<View>>& pictures,
                                          const ClassBank& bank) {
  const torch::NoGradGuard no_grad;
  const bool windows = config_.sliding_window.enabled;
  std::vector<Tensor> inputs;
  if (!windows) {
    for (const auto& views : pictures) {
      for (const View& view : views)
        inputs.push_back(preprocess(view.image, view.input, view.flip));
    }
  }
  const auto features = encode(inputs);
  std::vector<Tensor> result;
  size_t next = 0;
  for (const auto& views : pictures) {
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

Tensor Inference::finish(Tensor scores, const View& first, const ClassBank& bank) const {
  const bool threshold = config_.background.mode == "threshold" && bank.background >= 0;
  if (!threshold && config_.refine.empty()) return scores;
  scores = scores * config_.background.scale;
  if (threshold) scores[bank.background].fill_(-std::numeric_limits<double>::infinity());
  scores = scores.softmax(0);
  if (threshold) scores[bank.background].fill_(config_.background.threshold);
  if (config_.refine.empty()) return scores;
  const auto image = preprocess(first.image, first.input, false);
  return refine_pamr(resized(scores, first.input), image, config_.pamr);
}

}  // namespace pixelclip
