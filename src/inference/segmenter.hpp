#pragma once

#include <torch/types.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "clip/clip.hpp"
#include "clip/dense_encoder.hpp"
#include "config/config.hpp"
#include "image/image.hpp"
#include "inference/encoded_image.hpp"
#include "inference/words.hpp"

namespace pixelclip {

struct SegmenterOptions {
  std::string weights;                ///< A file or folder, or a name that find_weights knows.
  std::filesystem::path config = {};  ///< Empty: config.yaml beside the weights, if there is one.
  std::string templates = "imagenet_select";  ///< As text/prompts.hpp's templates().
  std::string device = "auto";                ///< auto: a GPU when there is one.
  std::string precision = "float32";          ///< Or bfloat16.
  std::string activation = "auto";  ///< Of the CLIP's blocks: auto (found out), gelu or quick_gelu.
  std::vector<int64_t> heads = {};  ///< Of the image encoder and the text tower; empty: found out.
  Size2 resolution = {0, 0};        ///< Of the encoder's input; 0: as trained.
  /// Side of the windows encoded, pixels of an image with short side MIN_SIZE_TEST; 0: the whole
  /// image, unless it is longer than three times its short side.
  int64_t window = 0;
  std::string method = {};  ///< Dense method (docs/methods.md); empty: as MODEL.DENSE says.
  std::string helper = {};  ///< DINO or DINOv2 weights of proxyclip; empty: as MODEL.DENSE says.
};

/// Inference with any CLIP or PixelCLIP weights: images are encoded once, words at any time. All
/// const functions may be called from several threads at once.
class Segmenter {
 public:
  /// Errors: weights that are missing or no CLIP, a broken configuration, an unknown device.
  explicit Segmenter(const SegmenterOptions& options);

  /// Errors: an empty image.
  EncodedImage encode(const Image& rgb) const;
  /// The same for an image whose pixels were read smaller than it is: labels get height × width.
  EncodedImage encode(const Image& rgb, int64_t height, int64_t width) const;
  struct Source {
    const Image& rgb;
    int64_t height, width;
  };
  /// The same for several images, whose windows are encoded together: of use on a GPU.
  std::vector<EncodedImage> encode(const std::vector<Source>& images) const;
  /// The encoder's dense output [h, w, C] for the whole image at once, not normalised.
  torch::Tensor dense(const Image& rgb) const;
  /// CLIP's ordinary embedding [C] of the whole image, not normalised.
  torch::Tensor pooled(const Image& rgb) const;
  /// Both, encoded once.
  std::pair<torch::Tensor, torch::Tensor> dense_and_pooled(const Image& rgb) const;

  /// Text embeddings [T, N, C] of class names (synonyms with ", " between them), each normalised.
  /// The newest few thousand names are remembered. Errors: an empty or too long name.
  torch::Tensor text(const std::vector<std::string>& names) const;
  /// Errors: as text(); no names, a name that is listed twice.
  Words words(const std::vector<std::string>& names, const Background& background = {}) const;

  const std::string& description() const { return description_; }
  const std::vector<std::string>& templates() const { return templates_; }
  const CLIP& clip() const { return clip_; }
  const DenseEncoder& encoder() const { return *encoder_; }
  Size2 resolution() const { return resolution_; }
  ChannelOrder format() const { return format_; }
  /// Images need no more pixels than this on their short side.
  int64_t short_side() const { return short_side_; }
  int64_t long_side() const { return long_side_; }  ///< The most that they are resized to.

 private:
  struct TextCache;
  /// Pixels [3, height, width] as the encoder takes them.
  torch::Tensor pixels(const Image& rgb, int64_t height, int64_t width) const;
  torch::Tensor whole_view(const Image& rgb) const;
  /// The parts [3, h, w] of an image that are encoded; sets rows, columns and the windows' places.
  std::vector<torch::Tensor> cut_views(const Image& rgb, EncodedImage& image) const;
  /// Views as the encoder's inputs: [B, 3, h, w].
  torch::Tensor inputs(const std::vector<torch::Tensor>& views) const;
  void read_sizes(const InputConfig& input, Size2 clip_resolution);

  mutable CLIP clip_{nullptr};
  std::optional<DenseEncoder> encoder_;
  std::string description_;
  std::vector<std::string> templates_;
  ChannelOrder format_ = ChannelOrder::rgb;
  Size2 resolution_;
  int64_t short_side_ = 640, long_side_ = 2560, window_ = 0;
  std::shared_ptr<TextCache> text_cache_;
};

}  // namespace pixelclip
