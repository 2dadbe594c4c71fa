#pragma once

#include <torch/types.h>

#include <functional>
#include <vector>

namespace pixelclip {

/// Sums a tensor in place over all ranks; the identity for one process.
using AllReduce = std::function<void(torch::Tensor&)>;

/// Bits [M, H, ceil(W / 8)] uint8, most significant bit first → masks [M, H, W] float of 0 and 1.
torch::Tensor unpack_masks(const torch::Tensor& bits, int64_t width);
/// The inverse: masks [M, H, W], non-zero is set → bits.
torch::Tensor pack_masks(const torch::Tensor& masks);

/// The mean feature inside each mask (PixelCLIP §3.2). features [h, w, C] of one image, masks
/// [M, H, W] with area > 0 → [M, C]. As if the features were resized bilinearly to H×W; the masks
/// are carried to the h×w grid by the transposed resize instead, which is the same sum and never
/// makes the [H, W, C] tensor.
torch::Tensor pool_masks(const torch::Tensor& features, const torch::Tensor& masks);

/// Sinkhorn–Knopp assignment (PixelCLIP eq. 4; Caron et al. 2020): scaled similarities [M, K] of
/// this rank's masks → Q [M, K], each row summing to 1, clusters equally used over all ranks. M may
/// be 0: the rank still joins the sums. No gradient.
torch::Tensor sinkhorn(const torch::Tensor& logits, const AllReduce& all_reduce,
                       int64_t rounds = 3);

/// Union of one image's masks with the same cluster: masks [M, H, W], clusters [M] → [K, H, W].
torch::Tensor merge_masks(const torch::Tensor& masks, const torch::Tensor& clusters, int64_t count);

}  // namespace pixelclip
