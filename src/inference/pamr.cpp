#include "inference/pamr.hpp"

#include <torch/utils.h>

#include <algorithm>

namespace pixelclip {
using torch::Tensor;
namespace {

/// Calls `visit(neighbours [C, H, W])` for the eight neighbours at each distance; outside, the
/// nearest pixel of the edge stands in.
template <class Visit>
void each_neighbour(const Tensor& x, const std::vector<int64_t>& dilations, const Visit& visit) {
  const int64_t reach = *std::max_element(dilations.begin(), dilations.end());
  const int64_t height = x.size(1), width = x.size(2);
  const auto padded = at::replication_pad2d(x, {reach, reach, reach, reach});
  for (const int64_t step : dilations) {
    for (int64_t dy = -step; dy <= step; dy += step) {
      for (int64_t dx = -step; dx <= step; dx += step) {
        if (dy != 0 || dx != 0)
          visit(padded.narrow(1, reach + dy, height).narrow(2, reach + dx, width));
      }
    }
  }
}

}  // namespace

Tensor refine_pamr(const Tensor& masks, const Tensor& image, const PamrConfig& config) {
  const torch::NoGradGuard no_grad;
  const auto count = static_cast<int64_t>(8 * config.dilations.size());
  std::vector<Tensor> neighbours;
  each_neighbour(image, config.dilations, [&](const Tensor& x) { neighbours.push_back(x); });
  // The likeness is measured against the local contrast; 0.1 as the authors set it. Their deviation
  // is over all nine places at each distance, so the pixel itself counts once for each.
  for (size_t i = 0; i < config.dilations.size(); ++i) neighbours.push_back(image);
  const auto all = torch::stack(neighbours);  // [9 · dilations, 3, H, W]
  const auto contrast = all.std(0, /*unbiased=*/true) * 0.1 + 1e-8;
  const auto weights = ((all.slice(0, 0, count) - image).abs() / contrast)
                           .mean(1)
                           .neg()
                           .softmax(0);  // [8 · dilations, H, W]
  std::vector<Tensor> refined;
  for (int64_t n = 0; n < masks.size(0); ++n) {  // one by one: a mask fits into the cache
    auto mask = masks.slice(0, n, n + 1);        // [1, H, W]
    for (int64_t i = 0; i < config.iterations; ++i) {
      auto next = torch::zeros_like(mask);
      int64_t k = 0;
      each_neighbour(mask, config.dilations,
                     [&](const Tensor& x) { next.addcmul_(x, weights[k++]); });
      mask = next;
    }
    refined.push_back(mask);
  }
  return torch::cat(refined);
}

}  // namespace pixelclip
