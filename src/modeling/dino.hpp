#pragma once

#include <torch/nn/module.h>
#include <torch/nn/modules/container/modulelist.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/normalization.h>

#include <span>

#include "clip/dense_encoder.hpp"
#include "clip/dense_method.hpp"
#include "config/model_config.hpp"
#include "io/state_dict.hpp"
#include "modeling/sample.hpp"

namespace pixelclip {

/// The vision transformer of DINO (Caron et al. 2021) and DINOv2 (Oquab et al. 2023), with or
/// without registers (Darcet et al. 2023), under the names of their published weights (cls_token,
/// blocks.0.attn.qkv.weight, …). DINOv2 has a LayerScale after each branch.
class DinoImpl : public torch::nn::Module {
 public:
  /// Takes sizes and values from the weights. Errors: names or shapes that are no DINO's; `source`
  /// comes first in them.
  DinoImpl(const StateDict& weights, const std::string& source);

  /// Images [B, 3, H, W], sides multiples of patch(), normalised as ImageNet's → the last block's
  /// normalised patch tokens [B, h·w, W].
  torch::Tensor forward(const torch::Tensor& images);
  int64_t patch() const { return patch_; }

 private:
  int64_t patch_;
  torch::Tensor cls_token, pos_embed, register_tokens;
  torch::nn::Conv2d proj_{nullptr};
  torch::nn::ModuleList blocks{nullptr};
  torch::nn::LayerNorm norm{nullptr};
};
TORCH_MODULE(Dino);

/// ProxyCLIP's helper: DINO's features of images that are normalised for CLIP.
class DinoHelper : public DenseHelper {
 public:
  /// `path`: a published file of DINO or DINOv2; `mean` and `std` [3], 0–255: what the images were
  /// normalised with. Errors: as read_state_dict and Dino.
  DinoHelper(const std::string& path, torch::Device device, const std::vector<double>& mean,
             const std::vector<double>& std);

  /// Images are taken back to pixels and normalised as ImageNet's (Lan et al., ProxyCLIP, 2024).
  /// Sides that are no multiples of the patch are resized to the multiple below.
  torch::Tensor features(const torch::Tensor& images) const override;
  int64_t patch() const override { return dino_->patch(); }
  const torch::nn::Module& module() const override { return *dino_; }

 private:
  mutable Dino dino_;  // computes without changing
  torch::Tensor clip_mean_, clip_std_, mean_, std_;
};

/// k-means of each image alone as the public code computes it (fast-pytorch-kmeans 0.2.2): features
/// [B, N, C], starting centres [B, K, C] → clusters [B, N] int64 in [0, K). A centre that lost all
/// its points becomes the zero vector. At most `rounds`, until the squared moves of an image's
/// centres sum to `tolerance` or less; the clusters are those from before the last move.
torch::Tensor lloyd(const torch::Tensor& features, const torch::Tensor& centres,
                    int64_t rounds = 100, double tolerance = 1e-4);

/// lloyd() from `count` points of each image, drawn with replacement from its own of the `seeds`
/// [B].
torch::Tensor kmeans_random(const torch::Tensor& features, int64_t count,
                            std::span<const uint64_t> seeds);

/// k-means (Lloyd 1982, started by k-means++) of each image alone: features [B, N, C] → clusters
/// [B, N] int64 in [0, count). At most `rounds`, until the squared sum of the centres' moves is
/// below `tolerance`; a centre that lost all its points goes to the point farthest from its own
/// centre. The same features and seed give the same clusters, whatever else is in the batch.
torch::Tensor kmeans_plusplus(const torch::Tensor& features, int64_t count, uint64_t seed,
                              int64_t rounds = 100, double tolerance = 1e-4);

/// The masks of MODEL.DINO: clusters of DINO's features instead of annotations (PixelCLIP §4).
class DinoMasks {
 public:
  /// Reads MODEL.DINO_WEIGHTS. Errors: as read_state_dict and Dino.
  DinoMasks(const ModelConfig& config, torch::Device device);

  /// Gives every sample its masks: DINO_CLUSTERS of them on the MASK_RESOLUTION grid, which cover
  /// the whole frame of its `image`. Errors: an image smaller than one patch, or for k-means++ than
  /// the clusters.
  void add_masks(TrainBatch& batch);

 private:
  /// The image in its frame, [3, H, W] float; what is added has CLIP's mean, as in the public code.
  torch::Tensor framed(const TrainSample& sample) const;
  /// Images [B, 3, H, W] float in 0–255 → bits [B, clusters, Hm, ceil(Wm / 8)].
  torch::Tensor masks(const torch::Tensor& images, std::span<const uint64_t> seeds);

  ModelConfig config_;
  torch::Device device_;
  PixelStatistics statistics_;
  torch::Tensor padding_;
  Dino dino_;
};

}  // namespace pixelclip
