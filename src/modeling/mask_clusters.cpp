#include "modeling/mask_clusters.hpp"

#include <ATen/Context.h>
#include <torch/utils.h>

#include "nn/functional.hpp"

namespace pixelclip {
using torch::Tensor;
namespace {

/// 7, 6, … 0: what brings each bit of a byte to the lowest place.
Tensor bit_places(const Tensor& bits) { return torch::arange(7, -1, -1, bits.options()); }

/// Masks carried to a grid of `height` × `width` cells by the transposed bilinear resize: [N,
/// height · width]. Bits are unpacked one place of the bytes at a time, so that an eighth of the
/// masks is float32 at once.
Tensor grid_weights(const MaskBatch& masks, int64_t height, int64_t width, const Tensor& like) {
  const int64_t count = masks.size(), rows = masks.bits.size(1), bytes = masks.bits.size(2);
  const auto columns = at::constant_pad_nd(resize_matrix(masks.width, width, like.options()),
                                           {0, 0, 0, bytes * 8 - masks.width})
                           .view({bytes, 8, width});
  Tensor sums;  // [N · H, width]
  for (int64_t place = 0; place < 8; ++place) {
    const auto value = 0x80 >> place;
    const auto set =
        masks.bits.bitwise_and(value).to(like.scalar_type()).view({count * rows, bytes});
    const auto weights = columns.select(1, place) * (1.0 / value);
    sums = sums.defined() ? sums.addmm_(set, weights) : torch::mm(set, weights);
  }
  const auto of_rows = resize_matrix(rows, height, like.options()).t().unsqueeze(0);
  return torch::bmm(of_rows.expand({count, height, rows}), sums.view({count, rows, width}))
      .view({count, height * width});
}

}  // namespace

Tensor unpack_masks(const Tensor& bits, int64_t width) {
  // The eight cells of every byte, looked up.
  const auto bytes = torch::arange(256, bits.options());
  const auto table = bytes.unsqueeze(1).bitwise_right_shift(bit_places(bits)).bitwise_and_(1);
  auto sizes = bits.sizes().vec();
  sizes.back() *= 8;
  return table.to(torch::kFloat)
      .index_select(0, bits.flatten().to(torch::kInt))
      .view(sizes)
      .slice(-1, 0, width);
}

Tensor pack_masks(const Tensor& masks) {
  const int64_t width = masks.size(-1), bytes = (width + 7) / 8;
  auto padded = at::constant_pad_nd(masks.ne(0).to(torch::kUInt8), {0, bytes * 8 - width});
  auto sizes = masks.sizes().vec();
  sizes.back() = bytes;
  sizes.push_back(8);
  padded = padded.view(sizes);
  return padded.bitwise_left_shift(bit_places(padded)).sum(-1, false, torch::kUInt8);
}

Tensor pool_masks(const Tensor& features, const MaskBatch& masks) {
  torch::NoGradGuard no_grad;
  const int64_t images = features.size(0), height = features.size(1), width = features.size(2);
  if (masks.size() == 0) return torch::zeros({0, features.size(3)}, features.options());
  const at::NoTF32Guard full_precision;
  const auto weights = grid_weights(masks, height, width, features);  // [N, h·w]
  const int64_t most = masks.most();
  const auto of_images = torch::zeros({images * most, height * width}, features.options())
                             .index_copy_(0, masks.slot, weights)
                             .view({images, most, height * width});
  const auto sums = torch::bmm(of_images, features.reshape({images, height * width, -1}));
  return sums.flatten(0, 1).index_select(0, masks.slot) / masks.areas.unsqueeze(1);
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

Tensor merge_masks(const MaskBatch& masks, const Tensor& clusters, int64_t count) {
  torch::NoGradGuard no_grad;
  const int64_t images = masks.images(), height = masks.bits.size(1), bytes = masks.bits.size(2);
  if (masks.size() == 0) return torch::zeros({images, count, height, bytes}, masks.bits.options());
  // Sorted by image and cluster, the masks of one target are neighbours. Each takes in those behind
  // it, 1, 2, 4 … masks away, until the first of a target holds all of them.
  const auto [keys, order] = (masks.image * count + clusters).sort(0);
  const auto united = masks.bits.index_select(0, order);
  for (int64_t step = 1; step < masks.most(); step *= 2) {
    const auto same = keys.slice(0, step).eq(keys.slice(0, 0, -step)).view({-1, 1, 1});
    united.slice(0, 0, -step).bitwise_or_(united.slice(0, step) * same);
  }
  const auto targets = torch::arange(images * count, keys.options());
  const auto first = torch::searchsorted(keys, targets).clamp_max_(masks.size() - 1);
  const auto exists = keys.index_select(0, first).eq(targets).view({-1, 1, 1});
  return (united.index_select(0, first) * exists).view({images, count, height, bytes});
}

Tensor mask_loss(const Tensor& logits, const Tensor& targets) {
  const auto covered = targets.amax(1, /*keepdim=*/true);  // [B, 1, H, W]
  const auto pixels = covered.sum().clamp_min(1);
  const auto losses = at::binary_cross_entropy_with_logits(
      logits, targets, covered.expand_as(targets), {}, at::Reduction::Sum);
  return losses / (pixels * logits.size(1));
}

}  // namespace pixelclip
