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
#include "image/rle.hpp"

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
  int64_t window =
      0;  ///< Side of the windows encoded, pixels of a picture with short side MIN_SIZE_TEST;
          ///< 0: the picture whole, unless it is longer than three times its short side.
};

/// "auto" is a GPU when there is one. Errors: a name that is none, no GPU to be used.
torch::Device find_device(const std::string& name);

/// A picture as the encoder sees it, once: words are scored against it later.
struct EncodedImage {
  static constexpr int64_t kCells = 64;  ///< A side of each window.

  /// One encoded view: `features` [h, w, C] not normalised; it covers 64×64 cells from (row,
  /// column).
  struct Window {
    int64_t row = 0, column = 0;
    torch::Tensor features;
    torch::Tensor norms;  ///< [64, 64] lengths of the features in these cells.
  };
  int64_t height = 0, width = 0;  ///< Of the picture, pixels.
  int64_t rows = 0, columns = 0;  ///< Cells that the picture is divided into.
  std::vector<Window> windows;
};

/// What is no class: pixels whose best cosine stays below `threshold`, or that one of `words` fits
/// best.
struct Background {
  std::optional<double> threshold;
  std::vector<std::string> words;

  bool wanted() const { return threshold || !words.empty(); }
};

/// Class names and their embeddings.
struct Words {
  std::vector<std::string> names;  ///< Of classes 0, 1, …, then "background" if that is wanted.
  torch::Tensor embeddings;        ///< [classes + background words, C], normalised.
  int64_t classes = 0;
  Background background;
};

struct Segmentation {
  std::vector<std::string> names;  ///< As in Words.
  torch::Tensor scores;            ///< [names, rows, columns] cosines on the cells.
  LabelMap labels;                 ///< Positions in `names`, at the picture's size.
};

/// One class's share of a picture.
struct Region {
  int32_t id = 0;
  int64_t area = 0;  ///< pixels
  double score =
      0;  ///< Mean cosine of the class over the cells whose middle it won, else its best cell.
  Rle mask;
};

/// Inference with any CLIP or PixelCLIP weights: pictures are encoded once, words at any time. All
/// const functions may be called from several threads at once.
class Segmenter {
 public:
  /// Errors: weights that are missing or no CLIP, a broken configuration, an unknown device.
  explicit Segmenter(const SegmenterOptions& options);

  /// Errors: an empty picture.
  EncodedImage encode(const Image& rgb) const;
  /// The same for a picture whose pixels were read smaller than it is: labels get height × width.
  EncodedImage encode(const Image& rgb, int64_t height, int64_t width) const;
  /// The encoder's dense output [h, w, C] for the whole picture at once, not normalised.
  torch::Tensor dense(const Image& rgb) const;
  /// CLIP's ordinary embedding [C] of the whole picture, not normalised.
  torch::Tensor pooled(const Image& rgb) const;

  /// Text embeddings [T, N, C] of class names (synonyms with ", " between them), each normalised.
  /// The newest few thousand names are remembered. Errors: an empty or too long name.
  torch::Tensor text(const std::vector<std::string>& names) const;
  /// Errors: as text(); no names, a name that stands there twice.
  Words words(const std::vector<std::string>& names, const Background& background = {}) const;

  const std::string& description() const { return description_; }
  const std::vector<std::string>& templates() const { return templates_; }
  const CLIP& clip() const { return clip_; }
  const DenseEncoder& encoder() const { return *encoder_; }
  Size2 resolution() const { return resolution_; }
  const std::string& format() const { return format_; }  ///< Of the channels: RGB or BGR.
  /// Pictures need no more pixels than this on their short side.
  int64_t short_side() const { return short_side_; }
  int64_t long_side() const { return long_side_; }  ///< The most that they are resized to.

 private:
  struct TextCache;
  /// Pixels [3, height, width] as the encoder takes them.
  torch::Tensor pixels(const Image& rgb, int64_t height, int64_t width) const;
  torch::Tensor whole_view(const Image& rgb) const;
  /// The parts [3, h, w] of an image that are encoded; sets rows, columns and the windows' places.
  std::vector<torch::Tensor> cut_views(const Image& rgb, EncodedImage& image) const;
  /// A view as the encoder's input: [1, 3, h, w].
  torch::Tensor input(const torch::Tensor& view) const;
  void read_sizes(const SegmenterOptions& options, const Config& config, bool given);

  mutable CLIP clip_{nullptr};
  std::optional<DenseEncoder> encoder_;
  std::string description_;
  std::vector<std::string> templates_;
  std::string format_ = "RGB";
  Size2 resolution_;
  int64_t short_side_ = 640, long_side_ = 2560, window_ = 0;
  std::shared_ptr<TextCache> text_cache_;
};

/// Cosines of all words on the picture's cells, [names, rows, columns]; the background's are the
/// best of its words, or its threshold.
torch::Tensor score_words(const EncodedImage& image, const Words& words);

/// Labels each pixel with the best word. `threads` 0: all cores.
Segmentation segment(const EncodedImage& image, const Words& words, int threads = 0);

/// The classes that occur, by id.
std::vector<Region> regions(const Segmentation& segmentation);

}  // namespace pixelclip
