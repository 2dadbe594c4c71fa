#pragma once

#include <ATen/core/Generator.h>
#include <torch/nn/module.h>

#include <utility>
#include <vector>

#include "clip/dense_method.hpp"

namespace pixelclip {

/// Interface of CLIP's image encoders. Images are float [B, 3, H, W], already normalised.
class ImageEncoderImpl : public torch::nn::Module {
 public:
  /// An embedding at every position, as PixelCLIP has it: [B, h, w, C], not normalised. Stochastic
  /// depth draws from `random`, which lives on the CPU; training an encoder that has it without one
  /// is an error.
  virtual torch::Tensor dense(const torch::Tensor& images, const at::Generator& random = {}) = 0;
  /// The same for each of `methods`; what comes before the last block is computed once for all that
  /// share it. `helper` as in apply_last_block, on whose grid proxyclip's result is. Errors: a
  /// method that changes the attention of the last block, where there is none.
  virtual std::vector<torch::Tensor> dense_by(const torch::Tensor& images,
                                              const std::vector<DenseOptions>& methods,
                                              const torch::Tensor& helper = {});
  /// dense_by() one method, and pooled(); what both need is computed once.
  virtual std::pair<torch::Tensor, torch::Tensor> dense_and_pooled(
      const torch::Tensor& images, const DenseOptions& method, const torch::Tensor& helper = {});
  /// CLIP's pooled image embedding: [B, C], not normalised.
  virtual torch::Tensor pooled(const torch::Tensor& images) = 0;
  /// Side of a position of dense(), pixels: H / h.
  virtual int64_t patch() const = 0;
};
using ImageEncoder = std::shared_ptr<ImageEncoderImpl>;

/// Converts the matrices and kernels once, so that autocast to bfloat16 need not do it for every
/// image. For inference: such parameters do not train.
void keep_matrices_in_bfloat16(ImageEncoderImpl& encoder);

}  // namespace pixelclip
