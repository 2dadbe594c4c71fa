#include "base/error.hpp"
#include "image/codec.hpp"
#include "inference/segmenter.hpp"
#include "pixelclip/segments.hpp"

namespace pixelclip {

struct Model::State {
  Segmenter segmenter;
};

struct EncodedPicture::State {
  EncodedImage image;
};

Picture load_picture(const std::filesystem::path& file) {
  Image image = read_rgb(file);
  return {image.height, image.width, std::move(image.pixels)};
}

int64_t EncodedPicture::height() const { return state_->image.height; }
int64_t EncodedPicture::width() const { return state_->image.width; }

Model::Model(const std::string& weights, const ModelOptions& options) {
  SegmenterOptions all;
  all.weights = weights;
  all.templates = options.templates;
  all.device = options.device;
  all.precision = options.precision;
  all.resolution = {options.resolution, options.resolution};
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

Segments find_words(const Model& model, const EncodedPicture& picture,
                    const std::vector<std::string>& names, const FindOptions& options) {
  const auto words = model.state().segmenter.words(names, {options.threshold, options.background});
  Segmentation found = segment(picture.state().image, words);
  Segments result{found.labels.height, found.labels.width, {}, {}};
  for (const auto& name : found.names) result.words.push_back({name, 0, 0});
  for (const Region& region : regions(found)) {
    result.words[region.id].area = region.area;
    result.words[region.id].score = region.score;
  }
  result.labels = std::move(found.labels.ids);
  return result;
}

}  // namespace pixelclip
