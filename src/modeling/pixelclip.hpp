#pragma once

#include <optional>
#include <string>
#include <vector>

#include "clip/clip.hpp"
#include "clip/dense_encoder.hpp"
#include "config/config.hpp"
#include "modeling/mask_clusters.hpp"
#include "modeling/prompt_learner.hpp"
#include "modeling/sample.hpp"
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
  TeacherEncoderImpl(const ClipArchitecture& architecture, CLIP& student);
  ImageEncoder visual;
};
TORCH_MODULE(TeacherEncoder);

/// What the teacher says of one batch.
struct TaughtBatch {
  std::vector<torch::Tensor> mask_bits;  // of each image: [M, H, ceil(W / 8)] uint8, area > 1
  torch::Tensor features;                // [masks of the batch, C] pooled teacher features
  torch::Tensor logits;                  // [masks of the batch, K] EPS · cosine with the clusters
};

/// PixelCLIP (NeurIPS 2024): student, momentum teacher, learnable prompts and decoder. Parameters
/// have the names of the public checkpoints.
class PixelCLIPImpl : public torch::nn::Module {
 public:
  PixelCLIPImpl(const Config& config, const ClipArchitecture& architecture);

  /// Starts student and teacher from CLIP weights in CLIP's own names, and the prompts from them.
  void start_from_clip(const StateDict& weights, const std::string& source);

  /// t ← momentum·t + (1 − momentum)·s over the image encoder; called before the teacher encodes.
  void update_teacher();

  /// Cluster embeddings [K, C], not normalised; gradients reach the prompts.
  torch::Tensor encode_clusters();

  /// Teacher features, masked pooling and cluster logits. No gradient.
  TaughtBatch teach(const TrainBatch& batch, const torch::Tensor& clusters);

  /// Cosine of every cluster with every position of the student: [B, K, h, w].
  torch::Tensor cost_maps(const TrainBatch& batch, const torch::Tensor& clusters);

  /// The decoder: cost maps [B, K, h, w] → logits [B, K, H, W] on the masks' grid.
  torch::Tensor decode(const torch::Tensor& cost);

  /// loss_masks of the batch: binary cross-entropy over the pixels that some mask covers, against
  /// the masks merged by `assignment` [masks of the batch]. A batch without masks has loss 0, and
  /// all parameters still take part in the backward pass.
  torch::Tensor mask_loss(const torch::Tensor& logits, const TaughtBatch& taught,
                          const torch::Tensor& assignment) const;
  /// The three in one.
  torch::Tensor student_loss(const TrainBatch& batch, const TaughtBatch& taught,
                             const torch::Tensor& assignment, const torch::Tensor& clusters);

  /// |teacher − student| / |student| over all parameters of the image encoder.
  double teacher_distance() const;

  /// Normalised dense student features [B, h, w, C] of uint8 images, padded as encode() says.
  torch::Tensor dense_features(const std::vector<torch::Tensor>& images,
                               const Size2& frame = {0, 0});

  /// Class embeddings: [N, C], the templates' mean, normalised.
  torch::Tensor class_embeddings(const std::vector<std::string>& names,
                                 const std::vector<std::string>& sentences);

  /// Only for tests and tools that follow one training step.
  torch::Tensor teacher_features(const TrainBatch& batch);
  std::vector<torch::Tensor> merged_targets(const TaughtBatch& taught,
                                            const torch::Tensor& assignment) const;
  const CLIP& clip() const { return sem_seg_head->predictor->clip_model; }
  CLIP& clip() { return sem_seg_head->predictor->clip_model; }
  torch::Tensor& prompt_tokens() { return sem_seg_head->predictor->prompt_tokens; }

  /// MODEL.TEXT_PRECISION, in which class_embeddings() encodes.
  const std::string& text_precision() const { return config_.text_precision; }
  torch::Device device() const { return sem_seg_head->predictor->prompt_tokens.device(); }

 private:
  /// Dense features [B, h, w, C] of uint8 images, which are padded to the largest of them and
  /// `frame` and resized to CLIP_RESOLUTION.
  torch::Tensor encode(const ImageEncoder& encoder, std::optional<torch::ScalarType> type,
                       const std::vector<torch::Tensor>& images, Size2 frame);
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
void set_trainable(PixelCLIP& model, const std::string& finetune);

}  // namespace pixelclip
