#pragma once

#include <torch/types.h>

#include <optional>
#include <string>
#include <vector>

#include "clip/image_encoder.hpp"

namespace pixelclip {

/// Mean and standard deviation of each channel, in the units of the pixels: [3, 1, 1].
struct PixelStatistics {
  PixelStatistics(const std::vector<double>& mean, const std::vector<double>& std,
                  const torch::Device& device = torch::kCPU);

  /// (image − mean) / std of [3, H, W] of any type, in float32 on the device of the statistics.
  torch::Tensor normalise(const torch::Tensor& image) const;

  torch::Tensor mean, std;
};

/// The type that autocast uses for a precision: none for "float32". Errors: another name than
/// float32, bfloat16 and float16.
std::optional<torch::ScalarType> autocast_type(const std::string& precision);

/// An image encoder with its preprocessing: uint8 images are normalised and resized to the
/// encoder's input, and features are returned in float32. Training, scoring and segmentation use
/// it. Copies share the encoder. Const members may be called by several threads at once.
class DenseEncoder {
 public:
  /// `type` is that of autocast while the encoder runs; none: the encoder's own.
  /// `recipe`: the method of dense(). Errors: a method without the helper that it needs.
  DenseEncoder(ImageEncoder encoder, PixelStatistics statistics,
               std::optional<torch::ScalarType> type = {}, DenseRecipe recipe = {});

  /// One input [1, 3, height, width] on the device of the statistics: `image` [3, H, W] normalised,
  /// padded with zeros on the right and below to `frame_height` × `frame_width` where it is
  /// smaller, and resized bilinearly.
  torch::Tensor input(const torch::Tensor& image, int64_t height, int64_t width,
                      int64_t frame_height = 0, int64_t frame_width = 0) const;

  /// The embedding of each position: inputs [B, 3, H, W] → [B, h, w, C], not normalised. `random`
  /// as in ImageEncoderImpl.
  torch::Tensor dense(const torch::Tensor& inputs, const at::Generator& random = {}) const;
  /// The same of each of several inputs [1, 3, H, W]: [h, w, C]. Inputs of one size are encoded
  /// together, at most `batch` at once.
  std::vector<torch::Tensor> dense(const std::vector<torch::Tensor>& inputs, size_t batch) const;
  /// dense() and pooled() of the same inputs; the blocks that both need run once.
  std::pair<torch::Tensor, torch::Tensor> dense_and_pooled(const torch::Tensor& inputs) const;
  /// CLIP's pooled embedding: inputs [B, 3, H, W] → [B, C], not normalised.
  torch::Tensor pooled(const torch::Tensor& inputs) const;

  /// Side of a position of dense(), pixels of the input.
  int64_t patch() const {
    return needs_helper(recipe_.options) ? recipe_.helper->patch() : encoder_->patch();
  }
  const PixelStatistics& statistics() const { return statistics_; }
  const DenseOptions& options() const { return recipe_.options; }
  torch::Device device() const { return statistics_.mean.device(); }

 private:
  /// The same for each of `methods`, with the recipe's helper.
  std::vector<torch::Tensor> dense_by(const torch::Tensor& inputs,
                                      const std::vector<DenseOptions>& methods) const;

  ImageEncoder encoder_;
  PixelStatistics statistics_;
  std::optional<torch::ScalarType> type_;
  DenseRecipe recipe_;
};

}  // namespace pixelclip
