#pragma once

#include <torch/types.h>

#include <functional>

#include "modeling/training_batch.hpp"

namespace pixelclip {

/// Sums a tensor in place over all ranks; the identity for one process.
using AllReduce = std::function<void(torch::Tensor&)>;

/// Bits [..., H, ceil(W / 8)] uint8, most significant bit first → masks [..., H, W] float of 0 and
/// 1.
torch::Tensor unpack_masks(const torch::Tensor& bits, int64_t width);
/// The inverse: masks [..., H, W], non-zero is set → bits.
torch::Tensor pack_masks(const torch::Tensor& masks);

/// The mean feature inside each mask (PixelCLIP §3.2): features [B, h, w, C] float → [N, C]. As if
/// the features were resized bilinearly to the masks' H×W; instead each mask is carried to the h×w
/// grid by the transposed resize, which is the product with two small matrices, one for rows and
/// one for columns. The sum is the same, the [H, W, C] tensor is never made, and the result is
/// deterministic on every device.
torch::Tensor pool_masks(const torch::Tensor& features, const MaskBatch& masks);

/// Sinkhorn–Knopp assignment (PixelCLIP eq. 4; Caron et al. 2020): scaled similarities [M, K] of
/// this rank's masks → Q [M, K], each row summing to 1, clusters equally used over all ranks. M may
/// be 0: the rank still joins the sums. No gradient.
torch::Tensor sinkhorn(const torch::Tensor& logits, const AllReduce& all_reduce,
                       int64_t rounds = 3);

/// Union of the masks of an image that have the same cluster: clusters [N] in [0, count) → bits
/// [B, count, H, ceil(W / 8)].
torch::Tensor merge_masks(const MaskBatch& masks, const torch::Tensor& clusters, int64_t count);

/// Binary cross-entropy of logits [B, K, H, W] with targets [B, K, H, W] of 0 and 1, the mean over
/// the clusters and over the pixels that some target covers; 0 where none does. Gradients reach the
/// logits in any case.
torch::Tensor mask_loss(const torch::Tensor& logits, const torch::Tensor& targets);

}  // namespace pixelclip
