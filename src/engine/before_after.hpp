#pragma once

#include <string>
#include <vector>

#include "config/config.hpp"
#include "dist/comm.hpp"
#include "image/image.hpp"
#include "modeling/pixelclip.hpp"

namespace pixelclip {

/// Labels the first TEST.VIS_IMAGES images of DATASETS.TEST before and after training and draws
/// them into OUTPUT_DIR/samples.png: a training image, its masks (where it has an annotation), a
/// test image, ground truth, before, after. Only rank 0 works; with VIS_IMAGES 0 nothing happens.
class BeforeAfter {
 public:
  BeforeAfter(const Config& config, Comm& comm);

  /// Labels the images with the weights at the start of training; a resumed run reads these labels
  /// from OUTPUT_DIR/samples.
  void before(PixelCLIP& model);
  void after(PixelCLIP& model);

 private:
  std::vector<LabelMap> label(PixelCLIP& model) const;

  Config config_;
  bool active_;
  std::vector<std::string> names_;
};

}  // namespace pixelclip
