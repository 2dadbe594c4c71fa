#pragma once

#include <cstdint>
#include <string>

#include "base/random.hpp"
#include "config/data_config.hpp"
#include "config/model_config.hpp"
#include "data/sa1b.hpp"
#include "image/codec.hpp"
#include "modeling/sample.hpp"

namespace pixelclip {

/// Randomly drawn geometry of one sample.
struct CropGeometry {
  int64_t height = 0, width = 0;  ///< of the resized image
  Rect crop;                      ///< in it
  bool flip_x = false, flip_y = false;
};

/// detectron2's ResizeShortestEdge, RandomCrop and RandomFlip for an image of height × width.
CropGeometry draw_geometry(const InputConfig& input, int64_t height, int64_t width, Random& random);

/// Seconds spent in each part of making samples.
struct MapperTimes {
  double read = 0, annotations = 0, decode = 0, resize = 0, augment = 0, masks = 0, tensors = 0;
};

/// Makes training samples as the public code does: resize, crop, SSD jitter, flip, strong view with
/// cutout; masks are sampled from run lengths to bits. Only the pixels that the crop depends on are
/// decoded and resized. Crops are not padded: the loader knows the largest crop of a batch and
/// requests the masks of smaller ones in that frame. Thread-safe.
class Sa1bMapper {
 public:
  /// `orient`: images are rotated as EXIF says. `pinned`: tensors are in page-locked memory, for
  /// asynchronous copies to a GPU.
  Sa1bMapper(const InputConfig& input, const ModelConfig& model, bool orient = true,
             bool pinned = false);

  /// Depends only on the files and the random stream. Errors name the file: unreadable, damaged,
  /// not SA-1B JSON, masks that differ from the image in size. `times` accumulates if given.
  TrainSample operator()(const Sa1bSample& sample, Random random,
                         MapperTimes* times = nullptr) const;

  /// The same with given geometry, for tests and visualization.
  TrainSample map(const Sa1bSample& sample, const CropGeometry& geometry, Random random) const;

 private:
  struct Scratch;
  TrainSample make(const Sa1bSample& sample, const CropGeometry* geometry, Random& random,
                   MapperTimes* times) const;
  void load_crop(Scratch& scratch, const std::string& name, const ImageInfo& info,
                 DecodeOptions options, const CropGeometry& geometry, MapperTimes& times) const;
  torch::Tensor empty_image(const Rect& crop) const;
  void add_masks(const MaskRuns& masks, const CropGeometry& geometry, const Rect& cutout,
                 TrainSample& sample) const;

  InputConfig input_;
  Size2 mask_resolution_;
  int64_t max_masks_;
  bool with_masks_, orient_, pinned_;
};

}  // namespace pixelclip
