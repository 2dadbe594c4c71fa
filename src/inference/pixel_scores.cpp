#include "inference/pixel_scores.hpp"

#include <torch/utils.h>

#include <algorithm>
#include <limits>

#include "base/error.hpp"
#include "inference/bilinear.hpp"
#include "inference/pamr.hpp"
#include "inference/windows.hpp"
#include "nn/functional.hpp"

namespace pixelclip {
using torch::Tensor;
namespace {

constexpr int64_t kValues = int64_t{1} << 21;  // cosines computed at once

int64_t missing_to_multiple(int64_t length, int64_t multiple) {
  return multiple > 0 ? (multiple - length % multiple) % multiple : 0;
}

/// Rows [first, last) of x [Q, h, w] resized to `height` rows: [Q, last − first, w].
Tensor rows_of(const Tensor& x, int64_t height, int64_t first, int64_t last) {
  const TensorAxis axis(x.size(1), height, x.device());
  const auto part = [&](const Tensor& all) { return all.slice(0, first, last); };
  return interpolate(x, 1, part(axis.low), part(axis.high), part(axis.weight));
}

Tensor columns_of(const Tensor& x, int64_t width) {
  if (x.size(2) == width) return x;
  const TensorAxis axis(x.size(2), width, x.device());
  return interpolate(x, 2, axis.low, axis.high, axis.weight);
}

}  // namespace

PixelScores::PixelScores(const DenseEncoder& encoder, const Tensor& input, int64_t height,
                         int64_t width, const Tensor& words, const SlidingWindowConfig& windows,
                         size_t batch)
    : words_(words.size(0)),
      height_(height),
      width_(width),
      resized_height_(input.size(2)),
      resized_width_(input.size(3)) {
  const torch::NoGradGuard no_grad;
  Size2 size{resized_height_, resized_width_}, stride = size;
  if (windows.enabled) {
    size = {std::min(windows.size.height, size.height), std::min(windows.size.width, size.width)};
    stride = windows.stride;
  }
  std::vector<Tensor> inputs;
  for (const int64_t top : window_starts(resized_height_, size.height, stride.height)) {
    for (const int64_t left : window_starts(resized_width_, size.width, stride.width)) {
      Window window{.top = top, .left = left, .height = size.height, .width = size.width};
      const int64_t rows = missing_to_multiple(window.height, windows.pad);
      const int64_t columns = missing_to_multiple(window.width, windows.pad);
      window.above = rows / 2, window.before = columns / 2;
      window.padded_height = window.height + rows, window.padded_width = window.width + columns;
      const auto pixels =
          input.slice(2, top, top + window.height).slice(3, left, left + window.width);
      inputs.push_back(at::constant_pad_nd(
          pixels, {window.before, columns - window.before, window.above, rows - window.above}));
      windows_.push_back(window);
    }
  }
  const auto features = encoder.dense(inputs, batch);  // [h, w, C] each
  for (size_t i = 0; i < windows_.size(); ++i)
    windows_[i].cosines =
        torch::matmul(l2_normalise(features[i]), words.t()).permute({2, 0, 1}).contiguous();
}

Tensor PixelScores::resized_rows(int64_t first, int64_t last) const {
  WindowMean mean(words_, last - first, resized_width_, windows_[0].cosines.options());
  for (const Window& window : windows_) {
    const int64_t begin = std::max(first, window.top);
    const int64_t end = std::min(last, window.top + window.height);
    if (begin >= end) continue;
    const int64_t shift = window.above - window.top;
    auto part = rows_of(window.cosines, window.padded_height, begin + shift, end + shift);
    part = columns_of(part, window.padded_width).narrow(2, window.before, window.width);
    mean.add(part, begin - first, window.left);
  }
  return mean.mean();
}

Tensor PixelScores::rows(int64_t first, int64_t last) const {
  const torch::NoGradGuard no_grad;
  const TensorAxis axis(resized_height_, height_, windows_[0].cosines.device());
  const auto part = [&](const Tensor& all) { return all.slice(0, first, last); };
  const int64_t low = axis.low[first].item<int64_t>(), high = axis.high[last - 1].item<int64_t>();
  const auto resized = resized_rows(low, high + 1);
  return columns_of(
      interpolate(resized, 1, part(axis.low) - low, part(axis.high) - low, part(axis.weight)),
      width_);
}

Tensor pixel_labels(const PixelScores& scores, const Tensor& input, const ClassBank& bank,
                    const TestConfig& test) {
  const torch::NoGradGuard no_grad;
  const auto device = input.device();
  const int64_t height = scores.height(), width = scores.width();
  const int64_t at_once = std::max<int64_t>(1, kValues / (scores.words() * width));
  Tensor refined;  // [Q, H, W]
  if (test.refine == Refinement::pamr) {
    refined =
        refine_pamr(scores.rows(0, height), resize_bilinear(input, height, width)[0], test.pamr);
  }
  const auto owner = torch::tensor(bank.owner, torch::kInt).to(device);  // [Q]
  const bool rejects = test.background.mode == BackgroundMode::reject && bank.background >= 0;
  Tensor hidden;  // [Q] bool: words of classes that are left out
  const auto label = [&](double threshold) {
    std::vector<Tensor> bands;
    for (int64_t first = 0; first < height; first += at_once) {
      const int64_t last = std::min(height, first + at_once);
      const auto cosines =
          refined.defined() ? refined.slice(1, first, last) : scores.rows(first, last);
      const auto seen = hidden.defined()
                            ? cosines.masked_fill(hidden.view({-1, 1, 1}),
                                                  -std::numeric_limits<float>::infinity())
                            : cosines;
      const auto [best, word] = seen.max(0);
      if (!torch::isfinite(best).all().item<bool>())
        fail("a class score is not a finite number: the weights are damaged");
      auto labels = owner.index_select(0, word.flatten()).view_as(word);
      if (threshold > 0) {
        const double scale = test.background.scale;
        const auto probability = (best * scale - (cosines * scale).logsumexp(0)).exp();
        labels.masked_fill_(probability.lt(threshold), bank.background);
      }
      bands.push_back(labels);
    }
    return torch::cat(bands);
  };
  if (rejects && test.background.area > 0) {
    auto pixels = torch::bincount(label(0).flatten(), {}, bank.classes());
    pixels[bank.background] = 0;
    const double least = test.background.area * pixels.sum().item<double>();
    auto small = pixels.to(torch::kDouble).le(least);
    small[bank.background] = false;
    hidden = small.index_select(0, owner.to(torch::kLong));
  }
  return label(rejects ? test.background.threshold : 0);
}

}  // namespace pixelclip
