#pragma once

#include <cstdint>
#include <vector>

#include "data/sa1b.hpp"
#include "image/codec.hpp"

namespace pixelclip {

/// Masks belong to the image as it is shown. Where EXIF turns it and the masks have the size of
/// the stored image, they were drawn on that: then `options` leaves it unturned and `info` is of
/// it. Errors: the masks have neither size.
void match_masks(std::span<const uint8_t> file, const Sa1bSample& sample, const MaskRuns& masks,
                 DecodeOptions& options, ImageInfo& info);

/// Reads all of a training sample, as nothing in training does. Keeps its memory; one for each
/// thread.
struct SampleCheck {
  std::vector<uint8_t> file;  ///< of the image
  MaskRuns masks;             ///< all of them, whatever MODEL.MAX_MASKS says
  int64_t height = 0, width = 0;
  bool orient = true;      ///< DATASETS.EXIF_ORIENTATION
  bool turned = false;     ///< The image is turned as EXIF says.
  bool undecided = false;  ///< And sizes cannot tell whether the masks were drawn on it so.
  std::vector<std::string> remarks;  ///< See DecodeOptions.

  /// Errors: what makes the sample useless, with the file's name.
  void read(const Sa1bSample& sample, bool with_masks);

 private:
  SampleMasks reader_;
  ImageRegion image_;
};

}  // namespace pixelclip
