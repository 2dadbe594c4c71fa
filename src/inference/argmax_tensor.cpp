#include "inference/argmax_tensor.hpp"

#include <torch/utils.h>

#include <algorithm>

#include "base/error.hpp"
#include "inference/argmax.hpp"
#ifdef PIXELCLIP_ARGMAX_KERNEL
#include "inference/argmax_kernel.hpp"
#endif
#include "inference/grid_place.hpp"

namespace pixelclip {
namespace {

using torch::Tensor;

/// What each output index of one axis reads, as GridPlace: tensors [size].
struct TensorAxis {
  Tensor low, high, weight;

  TensorAxis(int64_t grid, int64_t size, const torch::Device& device) {
    low = torch::empty({size}, torch::kInt), high = torch::empty_like(low);
    weight = torch::empty({size}, torch::kFloat);
    for (int64_t i = 0; i < size; ++i) {
      const auto place = place_on_grid(i, size, static_cast<int>(grid));
      low.data_ptr<int>()[i] = place.low;
      high.data_ptr<int>()[i] = place.high;
      weight.data_ptr<float>()[i] = place.weight;
    }
    low = low.to(device), high = high.to(device), weight = weight.to(device);
  }
};

Tensor interpolate(const Tensor& x, int64_t dim, const Tensor& low, const Tensor& high,
                   const Tensor& weight) {
  return x.index_select(dim, low).lerp(x.index_select(dim, high), weight);
}

LabelMap to_labels(const Tensor& labels, int64_t height, int64_t width) {
  const auto here = labels.to(torch::kCPU).contiguous();
  const auto* ids = here.const_data_ptr<int32_t>();
  return {height, width, {ids, ids + height * width}};
}

constexpr const char* kNotFinite = "a class score is not a finite number: the weights are damaged";

}  // namespace

LabelMap argmax_in_tiles(const Tensor& scores, int64_t height, int64_t width, int64_t values) {
  const torch::NoGradGuard no_grad;
  if (!torch::isfinite(scores).all().item<bool>()) fail(kNotFinite);
  const auto grid = scores.to(torch::kFloat);
  const TensorAxis rows(grid.size(1), height, grid.device()),
      columns(grid.size(2), width, grid.device());
  const auto wide = interpolate(grid, 2, columns.low, columns.high, columns.weight);  // [N, h, W]
  const int64_t at_once = std::max<int64_t>(1, values / (grid.size(0) * width));
  std::vector<Tensor> tiles;
  for (int64_t y = 0; y < height; y += at_once) {
    const auto part = [&](const Tensor& x) { return x.slice(0, y, std::min(height, y + at_once)); };
    const auto tile =
        interpolate(wide, 1, part(rows.low), part(rows.high), part(rows.weight).unsqueeze(1));
    tiles.push_back(tile.argmax(0).to(torch::kInt));
  }
  return to_labels(torch::cat(tiles), height, width);
}

LabelMap argmax_upsampled(const Tensor& scores, int64_t height, int64_t width, int threads) {
  const auto grid = scores.to(torch::kFloat).contiguous();
#ifdef PIXELCLIP_ARGMAX_KERNEL
  if (grid.is_cuda()) {
    const auto labels = torch::empty({height, width}, grid.options().dtype(torch::kInt));
    if (argmax_kernel(grid.const_data_ptr<float>(), static_cast<int>(grid.size(0)),
                      static_cast<int>(grid.size(1)), static_cast<int>(grid.size(2)), height, width,
                      labels.data_ptr<int32_t>(), grid.device().index())) {
      LabelMap map = to_labels(labels, height, width);
      if (std::find(map.ids.begin(), map.ids.end(), -1) != map.ids.end()) fail(kNotFinite);
      return map;
    }
  }
#endif
  if (!grid.is_cpu()) return argmax_in_tiles(grid, height, width);
  return argmax_upsampled(grid.const_data_ptr<float>(), static_cast<int>(grid.size(0)),
                          static_cast<int>(grid.size(1)), static_cast<int>(grid.size(2)), height,
                          width, threads);
}

}  // namespace pixelclip
