#include "data/sample_check.hpp"

#include <limits>

#include "base/error.hpp"

namespace pixelclip {

void match_masks(std::span<const uint8_t> file, const Sa1bSample& sample, const MaskRuns& masks,
                 DecodeOptions& options, ImageInfo& info) {
  const auto same = [&] { return masks.height == info.height && masks.width == info.width; };
  if (masks.height == 0 || same()) return;
  const ImageInfo shown = info;
  if (info.orientation != 1 && options.orient) {
    options.orient = false;
    info = probe(file, sample.image, options);
    if (same()) return;
  }
  fail_in(sample.annotation, "its masks have ", masks.height, "×", masks.width,
          " pixels but the image ", sample.image, " has ", shown.height, "×", shown.width,
          " (height × width)");
}

void SampleCheck::read(const Sa1bSample& sample, bool with_masks) {
  sample.read_image(file);
  remarks.clear();
  DecodeOptions options{.orient = orient, .remarks = &remarks};
  ImageInfo info = probe(file, sample.image, options);
  masks.masks.clear();
  masks.left_out = {};
  if (with_masks) {
    reader_.read(sample, info.height, info.width, std::numeric_limits<int64_t>::max(), masks);
    match_masks(file, sample, masks, options, info);
  }
  decode_rgb_region(file, sample.image, {}, options, image_);
  height = info.height;
  width = info.width;
  turned = options.orient && info.orientation != 1;
  undecided = turned && with_masks && (info.orientation < 5 || height == width);
}

}  // namespace pixelclip
