#pragma once

#include <cstdint>
#include <vector>

#include "data/sa1b.hpp"
#include "image/codec.hpp"

namespace pixelclip {

/// Matches the image to its masks, which are normally drawn on the displayed image. If EXIF rotates
/// the image and the masks have the size of the stored one, `options` and `info` are changed to the
/// stored image. Errors: the masks have neither size.
void match_masks(std::span<const uint8_t> file, const Sa1bSample& sample, const MaskRuns& masks,
                 DecodeOptions& options, ImageInfo& info);

/// Reads a training sample completely, unlike training. Reuses its memory; use one per thread.
struct SampleCheck {
  std::vector<uint8_t> file;  ///< of the image
  MaskRuns masks;             ///< all masks, regardless of MODEL.MAX_MASKS
  int64_t height = 0, width = 0;
  bool orient = true;   ///< DATASETS.EXIF_ORIENTATION
  bool turned = false;  ///< The image is rotated by EXIF.
  bool undecided =
      false;  ///< And its size does not show whether the masks were drawn on the rotated image.
  std::vector<std::string> remarks;  ///< See DecodeOptions.

  /// Errors: whatever makes the sample unusable, with the file's name.
  void read(const Sa1bSample& sample, bool with_masks);

 private:
  SampleMasks reader_;
  ImageRegion image_;
};

}  // namespace pixelclip
