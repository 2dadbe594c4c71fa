#pragma once

#include <string>
#include <vector>

#include "config/config.hpp"
#include "dist/comm.hpp"
#include "image/image.hpp"
#include "modeling/pixelclip.hpp"

namespace pixelclip {

/// The first TEST.VIS_IMAGES pictures of DATASETS.TEST, labelled before and after training and
/// drawn into OUTPUT_DIR/samples.png: picture, masks (where an annotation lies beside the set),
/// truth, before, after. Only rank 0 works; with VIS_IMAGES 0 nothing happens.
class BeforeAfter {
 public:
  BeforeAfter(const Config& config, Comm& comm);

  /// Labels the pictures with the weights that training starts from; a resumed run finds them in
  /// OUTPUT_DIR/samples.
  void before(PixelCLIP& model);
  void after(PixelCLIP& model);

 private:
  std::vector<LabelMap> label(PixelCLIP& model) const;

  Config config_;
  bool active_;
  std::vector<std::string> names_;
};

}  // namespace pixelclip
