#pragma once

#include "inference/segmenter.hpp"
#include "pixelclip/model.hpp"

namespace pixelclip {

struct Model::State {
  Segmenter segmenter;
};

struct EncodedPicture::State {
  EncodedImage image;
};

}  // namespace pixelclip
