#include "pixelclip/model.hpp"

#include "base/error.hpp"
#include "library/state.hpp"

namespace pixelclip {

int64_t EncodedPicture::height() const { return state_->image.height; }
int64_t EncodedPicture::width() const { return state_->image.width; }

Model::Model(const std::string& weights, const ModelOptions& options) {
  SegmenterOptions all;
  all.weights = weights;
  all.templates = options.templates;
  all.device = options.device;
  all.precision = options.precision;
  all.resolution = {options.resolution, options.resolution};
  all.method = options.method;
  all.helper = options.helper;
  state_ = std::make_shared<const State>(State{Segmenter(all)});
}

EncodedPicture Model::encode(const Picture& picture) const {
  const int64_t bytes = picture.height * picture.width * 3;
  if (bytes != static_cast<int64_t>(picture.rgb.size())) {
    fail("a picture of ", picture.height, " x ", picture.width, " needs ", bytes,
         " bytes, but it has ", picture.rgb.size());
  }
  Image image;
  image.height = picture.height, image.width = picture.width, image.channels = 3;
  image.pixels = picture.rgb;
  return EncodedPicture(std::make_shared<const EncodedPicture::State>(
      EncodedPicture::State{state_->segmenter.encode(image)}));
}

std::string Model::description() const { return state_->segmenter.description(); }

}  // namespace pixelclip
