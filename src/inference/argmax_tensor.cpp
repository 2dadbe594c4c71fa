#include "inference/argmax_tensor.hpp"

#include <torch/utils.h>

#include <algorithm>

#include "base/error.hpp"
#include "image/opencv_resize.hpp"
#include "inference/argmax.hpp"
#include "inference/argmax_gpu.hpp"
#include "inference/bilinear.hpp"

namespace pixelclip {
namespace {

using torch::Tensor;

constexpr const char* kNotFinite = "a class score is not a finite number: the weights are damaged";

/// `ids` of an image; −1 is a score that is not finite.
LabelMap checked_labels(const int32_t* ids, int64_t height, int64_t width) {
  LabelMap map{height, width, {ids, ids + height * width}};
  if (std::find(map.ids.begin(), map.ids.end(), -1) != map.ids.end()) fail(kNotFinite);
  return map;
}

LabelMap to_labels(const Tensor& labels) {
  const auto here = labels.to(torch::kCPU).contiguous();
  return checked_labels(here.const_data_ptr<int32_t>(), labels.size(0), labels.size(1));
}

/// argmax_in_tiles() on the device: [height, width] int32, −1 where a score is not finite.
Tensor tiled_labels(const Tensor& scores, int64_t height, int64_t width, int64_t values) {
  const auto grid = scores.to(torch::kFloat);
  const TensorAxis rows(grid.size(1), height, grid.device()),
      columns(grid.size(2), width, grid.device());
  const auto wide = interpolate(grid, 2, columns.low, columns.high, columns.weight);  // [N, h, W]
  const int64_t at_once = std::max<int64_t>(1, values / (grid.size(0) * width));
  std::vector<Tensor> tiles;
  for (int64_t y = 0; y < height; y += at_once) {
    const auto part = [&](const Tensor& x) { return x.slice(0, y, std::min(height, y + at_once)); };
    const auto tile = interpolate(wide, 1, part(rows.low), part(rows.high), part(rows.weight));
    tiles.push_back(tile.argmax(0).to(torch::kInt));
  }
  return torch::cat(tiles).masked_fill_(torch::isfinite(grid).all().logical_not(), -1);
}

/// The labels of scores on a GPU, there; labels [h, w] int32 as they are.
Tensor labels_on_gpu(const Tensor& scores, int64_t height, int64_t width) {
  if (scores.scalar_type() == torch::kInt) return scores;
  if (const auto labels = kernel_labels(scores, height, width)) return *labels;
  return tiled_labels(scores, height, width, kValuesAtOnce);
}

}  // namespace

LabelMap argmax_in_tiles(const Tensor& scores, int64_t height, int64_t width, int64_t values) {
  const torch::NoGradGuard no_grad;
  return to_labels(tiled_labels(scores, height, width, values));
}

LabelMap argmax_upsampled(const Tensor& scores, int64_t height, int64_t width, int threads) {
  if (scores.scalar_type() == torch::kInt) {
    TORCH_CHECK(scores.dim() == 2, "labels of shape ", scores.sizes());
    return resize_nearest(to_labels(scores), height, width);
  }
  if (!scores.is_cpu()) return to_labels(labels_on_gpu(scores, height, width));
  const auto grid = scores.to(torch::kFloat).contiguous();
  return argmax_upsampled(grid.const_data_ptr<float>(), static_cast<int>(grid.size(0)),
                          static_cast<int>(grid.size(1)), static_cast<int>(grid.size(2)), height,
                          width, threads);
}

std::vector<LabelMap> argmax_upsampled(const std::vector<Tensor>& scores,
                                       const std::vector<Size2>& sizes,
                                       const std::vector<std::string>& names) {
  const torch::NoGradGuard no_grad;
  std::vector<LabelMap> maps;
  if (scores.front().is_cpu()) {
    for (size_t i = 0; i < scores.size(); ++i) {
      maps.push_back(with_context(
          names[i], [&] { return argmax_upsampled(scores[i], sizes[i].height, sizes[i].width); }));
    }
    return maps;
  }
  std::vector<Tensor> labels, flat;
  for (size_t i = 0; i < scores.size(); ++i) {
    labels.push_back(labels_on_gpu(scores[i], sizes[i].height, sizes[i].width));
    flat.push_back(labels.back().flatten());
  }
  const auto here = torch::cat(flat).to(torch::kCPU);  // the host waits once
  const auto* ids = here.const_data_ptr<int32_t>();
  for (size_t i = 0; i < scores.size(); ++i) {
    maps.push_back(with_context(names[i], [&] {
      const auto map = checked_labels(ids, labels[i].size(0), labels[i].size(1));
      return resize_nearest(map, sizes[i].height, sizes[i].width);
    }));
    ids += labels[i].numel();
  }
  return maps;
}

}  // namespace pixelclip
