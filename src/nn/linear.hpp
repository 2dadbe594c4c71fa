#pragma once

#include <torch/nn/modules/linear.h>

namespace pixelclip {

/// x [..., in] · weightᵀ [out, in] + bias [out] in one operation; `bias` may be undefined. Where
/// autocast rounds the operands it takes two, so that the bias is not rounded. Where no gradient is
/// asked for, large float32 products on an x86 processor are oneDNN's: it uses AVX-512 on every
/// processor that has it, MKL, which computes LibTorch's own, on those of Intel alone.
torch::Tensor linear(const torch::Tensor& x, const torch::Tensor& weight,
                     const torch::Tensor& bias);
inline torch::Tensor linear(const torch::nn::Linear& layer, const torch::Tensor& x) {
  return linear(x, layer->weight, layer->bias);
}

}  // namespace pixelclip
