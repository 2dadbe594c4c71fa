#pragma once

#include <torch/nn/module.h>

namespace pixelclip {

/// What every CLIP image encoder offers. Images are float [B, 3, H, W], already normalised.
class ImageEncoderImpl : public torch::nn::Module {
 public:
  /// An embedding at every position: [B, h, w, C], not normalised.
  virtual torch::Tensor dense(const torch::Tensor& images) = 0;
  /// CLIP's ordinary image embedding: [B, C], not normalised.
  virtual torch::Tensor pooled(const torch::Tensor& images) = 0;
  /// Side of what a position of dense() stands for, pixels: H / h.
  virtual int64_t patch() const = 0;
};
using ImageEncoder = std::shared_ptr<ImageEncoderImpl>;

/// Converts the matrices and kernels once, so that autocast to bfloat16 need not do it for every
/// image. For inference: such parameters do not train.
void keep_matrices_in_bfloat16(ImageEncoderImpl& encoder);

}  // namespace pixelclip
