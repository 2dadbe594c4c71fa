#pragma once

#include <optional>
#include <string>
#include <vector>

#include "clip/clip.hpp"
#include "clip/dense_encoder.hpp"
#include "config/model_config.hpp"
#include "config/solver_config.hpp"
#include "modeling/mask_clusters.hpp"
#include "modeling/prompt_learner.hpp"
#include "modeling/training_batch.hpp"
#include "nn/conv_head.hpp"

namespace pixelclip {

/// Holds `prompt_tokens` [K, L, text width] and the student `clip_model`.
class PredictorImpl : public torch::nn::Module {
 public:
  PredictorImpl(const ClipArchitecture& architecture, int64_t clusters, int64_t length);

  CLIP clip_model{nullptr};
  torch::Tensor prompt_tokens;
};
TORCH_MODULE(Predictor);

class SemSegHeadImpl : public torch::nn::Module {
 public:
  explicit SemSegHeadImpl(Predictor predictor);
  Predictor predictor{nullptr};
};
TORCH_MODULE(SemSegHead);

/// The momentum copy of the image encoder. A public checkpoint also keeps the student's frozen text
/// tensors under this name, all but the blocks; here they are the student's own tensors.
class TeacherEncoderImpl : public torch::nn::Module {
 public:
  TeacherEncoderImpl(const ClipArchitecture& architecture, const CLIP& student);
  /// Makes the frozen text tensors the student's again, after both have moved to a device.
  void share_text(const CLIP& student);
  ImageEncoder visual;
};
TORCH_MODULE(TeacherEncoder);

/// The teacher's targets of one batch.
struct TeacherTargets {
  torch::Tensor features;  ///< [N, C] teacher features pooled over each mask
  torch::Tensor logits;    ///< [N, K] EPS · cosine with the clusters
};

/// PixelCLIP (NeurIPS 2024): student, momentum teacher, learnable prompts and decoder. Parameters
/// have the names of the public checkpoints.
class PixelCLIPImpl : public torch::nn::Module {
 public:
  /// `amp` is the precision of training; MODEL.PRECISION that of inference.
  PixelCLIPImpl(const ModelConfig& config, const ClipArchitecture& architecture,
                const AmpConfig& amp = {});

  /// As Module::to; moves what the modules do not hold as well, and the teacher's text tensors stay
  /// the student's.
  void to(torch::Device device, torch::Dtype dtype, bool non_blocking = false) override;
  void to(torch::Dtype dtype, bool non_blocking = false) override;
  void to(torch::Device device, bool non_blocking = false) override;

  /// Starts student and teacher from CLIP weights in CLIP's own names, and the prompts from them.
  void start_from_clip(const StateDict& weights, const std::string& source);

  /// t ← momentum·t + (1 − momentum)·s over the image encoder; called before the teacher encodes.
  void update_teacher();

  /// Cluster embeddings [K, C], not normalised; gradients reach the prompts.
  torch::Tensor encode_clusters();

  /// `batch` on the model's device; keeps MAX_MASKS masks of an image where LIMIT_MASKS says so.
  DeviceBatch upload(const TrainBatch& batch) const;

  /// Normalised dense features [B, h, w, C] of the student for the strongly augmented images. Here
  /// and below `random` is the stream of stochastic depth, which only ConvNeXt in training needs.
  torch::Tensor student_features(const DeviceBatch& batch, const at::Generator& random = {});
  /// Dense features [B, h, w, C] of the teacher for the weakly augmented images. No gradient.
  torch::Tensor teacher_features(const DeviceBatch& batch, const at::Generator& random = {});

  /// Teacher features pooled over the masks, and cluster logits. No gradient.
  TeacherTargets teacher_targets(const DeviceBatch& batch, const torch::Tensor& clusters,
                                 const at::Generator& random = {});

  /// Cosine of every cluster with every position of the student: [B, K, h, w].
  torch::Tensor cost_maps(const DeviceBatch& batch, const torch::Tensor& clusters,
                          const at::Generator& random = {});

  /// The decoder: cost maps [B, K, h, w] → logits [B, K, H, W] on the masks' grid.
  torch::Tensor decode(const torch::Tensor& cost);

  /// The masks merged by `assignment` [N]: [B, K, H, W] float of 0 and 1.
  torch::Tensor mask_targets(const MaskBatch& masks, const torch::Tensor& assignment) const;

  /// |teacher − student| / |student| over all parameters of the image encoder.
  double teacher_distance() const;

  /// Class embeddings: [N, C], the templates' mean, normalised.
  torch::Tensor class_embeddings(const std::vector<std::string>& names,
                                 const std::vector<std::string>& sentences);

  const CLIP& clip() const { return sem_seg_head->predictor->clip_model; }
  CLIP& clip() { return sem_seg_head->predictor->clip_model; }
  torch::Tensor& prompt_tokens() { return sem_seg_head->predictor->prompt_tokens; }

  /// MODEL.TEXT_PRECISION, in which class_embeddings() encodes.
  FloatType text_precision() const { return config_.text_precision; }
  torch::Device device() const { return sem_seg_head->predictor->prompt_tokens.device(); }

 private:
  /// Dense features [B, h, w, C] of images [B, 3, H, W], resized to CLIP_RESOLUTION.
  torch::Tensor encode(const ImageEncoder& encoder, std::optional<torch::ScalarType> type,
                       const torch::Tensor& images, const torch::Tensor& sizes,
                       const at::Generator& random);
  void start_decoder();

  const ModelConfig config_;
  PixelStatistics statistics_;
  std::vector<PromptTemplate> templates_;
  std::optional<torch::ScalarType> training_type_, inference_type_;  // of autocast; none: float32
  SemSegHead sem_seg_head{nullptr};
  TeacherEncoder teacher_encoder{nullptr};
  ConvHead head{nullptr};
};
TORCH_MODULE(PixelCLIP);

/// The sentences that class names and prompts are put into (PROMPT_TEMPLATES_FILE or
/// PROMPT_ENSEMBLE_TYPE).
std::vector<std::string> class_templates(const ModelConfig& config);

/// Sets requires_grad by CLIP_FINETUNE: `attention` trains image-encoder parameters whose name
/// holds "attn" or "position", `full` all of them, `conv` and `prompt` those that hold the word,
/// `none` nothing; prompts and decoder always train, the text encoder and the teacher never.
/// Errors: `attention` or `conv` matches no parameter of this encoder.
void set_trainable(PixelCLIP& model, Finetune finetune);

}  // namespace pixelclip
