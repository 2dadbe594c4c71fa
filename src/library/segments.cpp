#include "pixelclip/segments.hpp"

#include "inference/segmentation.hpp"
#include "library/state.hpp"

namespace pixelclip {

Segments find_words(const Model& model, const EncodedPicture& picture,
                    const std::vector<std::string>& names, const FindOptions& options) {
  const auto words =
      model.state().segmenter.words(names, {options.background_cosine, options.background});
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
