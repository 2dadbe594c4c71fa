#include "modeling/mask_clusters.hpp"

#include <torch/utils.h>

namespace pixelclip {
using torch::Tensor;
namespace {

Tensor bit_values(const torch::Device& device) {
  return torch::tensor({128, 64, 32, 16, 8, 4, 2, 1},
                       torch::TensorOptions().dtype(torch::kUInt8).device(device));
}

}  // namespace

Tensor unpack_masks(const Tensor& bits, int64_t width) {
  const auto set =
      bits.unsqueeze(-1).bitwise_and(bit_values(bits.device())).ne(0);  // [M, H, W/8, 8]
  return set.flatten(2).slice(2, 0, width).to(torch::kFloat);
}

Tensor pack_masks(const Tensor& masks) {
  const int64_t width = masks.size(2), bytes = (width + 7) / 8;
  const auto padded = at::constant_pad_nd(masks.ne(0).to(torch::kUInt8), {0, bytes * 8 - width});
  return (padded.view({masks.size(0), masks.size(1), bytes, 8}) * bit_values(masks.device()))
      .sum(-1, false, torch::kUInt8);
}

Tensor pool_masks(const Tensor& features, const Tensor& masks) {
  const int64_t count = masks.size(0), height = features.size(0), width = features.size(1);
  if (count == 0) return torch::zeros({0, features.size(2)}, features.options());
  const auto weights = at::upsample_bilinear2d_backward(
      masks.unsqueeze(1), {masks.size(1), masks.size(2)}, {count, 1, height, width},
      /*align_corners=*/false);  // [M, 1, h, w]
  const auto areas = masks.sum({1, 2}).unsqueeze(1);
  return torch::matmul(weights.view({count, height * width}),
                       features.reshape({height * width, -1})) /
         areas;
}

Tensor sinkhorn(const Tensor& logits, const AllReduce& all_reduce, int64_t rounds) {
  torch::NoGradGuard no_grad;
  const int64_t clusters = logits.size(1);
  auto q = torch::softmax(logits.to(torch::kFloat), 1).t();  // [K, M]
  auto total = q.sum();
  all_reduce(total);
  q = q / total;
  for (int64_t round = 0; round < rounds; ++round) {
    auto rows = q.sum(1, /*keepdim=*/true);
    all_reduce(rows);
    q = q / rows / clusters;
    q = q / q.sum(0, /*keepdim=*/true) / total;
  }
  return (q * total).t();
}

Tensor merge_masks(const Tensor& masks, const Tensor& clusters, int64_t count) {
  // How many of a cluster's masks lie on each pixel is a matrix product: exact, and on every device
  // faster than a scattered maximum.
  const auto numbers = torch::arange(count, clusters.options()).unsqueeze(1);
  const auto members = clusters.unsqueeze(0).eq(numbers).to(masks.dtype());  // [K, M]
  const auto covered = torch::matmul(members, masks.flatten(1)).gt(0);       // [K, H·W]
  return covered.to(masks.dtype()).view({count, masks.size(1), masks.size(2)});
}

}  // namespace pixelclip
