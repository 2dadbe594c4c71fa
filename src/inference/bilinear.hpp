#pragma once

#include <torch/utils.h>

#include "inference/grid_place.hpp"

namespace pixelclip {

/// What each output index of one axis reads, as GridPlace: tensors [size].
struct TensorAxis {
  torch::Tensor low, high, weight;

  TensorAxis(int64_t grid, int64_t size, const torch::Device& device) {
    low = torch::empty({size}, torch::kInt), high = torch::empty_like(low);
    weight = torch::empty({size}, torch::kFloat);
    for (int64_t i = 0; i < size; ++i) {
      const auto place = place_on_grid(i, size, static_cast<int>(grid));
      low.data_ptr<int>()[i] = place.low;
      high.data_ptr<int>()[i] = place.high;
      weight.data_ptr<float>()[i] = place.weight;
    }
    const auto there = [&](const torch::Tensor& here) {
      return device.is_cpu() ? here : here.pin_memory().to(device, here.scalar_type(), true);
    };
    low = there(low), high = there(high), weight = there(weight);
  }
};

/// x [N, h, w] at the places of an axis of dimension 1 (rows) or 2 (columns).
inline torch::Tensor interpolate(const torch::Tensor& x, int64_t dim, const torch::Tensor& low,
                                 const torch::Tensor& high, const torch::Tensor& weight) {
  const auto share = dim == 1 ? weight.unsqueeze(1) : weight;
  return x.index_select(dim, low).lerp(x.index_select(dim, high), share);
}

}  // namespace pixelclip
