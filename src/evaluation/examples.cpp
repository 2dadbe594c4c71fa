#include "evaluation/examples.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/file.hpp"
#include "base/random.hpp"
#include "image/codec.hpp"
#include "image/resize.hpp"
#include "image/rle.hpp"

namespace pixelclip {
namespace {

/// Maximum side of images on pages, in pixels.
constexpr int64_t kMaxExampleSide = 480;

/// `ids` are the category ids of the classes; empty: the class indices.
LabelMap read_predictions(const std::string& elements, const std::vector<int32_t>& ids,
                          int64_t height, int64_t width) {
  LabelMap labels{height, width, std::vector<int32_t>(height * width)};
  for (const auto& element : parse_json("[" + elements + "]", "an image's predictions")) {
    const auto bitmap = rle_to_bitmap(
        decode_rle(element["segmentation"]["counts"].get<std::string>(), height, width));
    const int32_t category = element["category_id"];
    const auto place = std::find(ids.begin(), ids.end(), category) - ids.begin();
    const auto id = ids.empty() ? category : static_cast<int32_t>(place);
    for (size_t i = 0; i < bitmap.size(); ++i) {
      if (bitmap[i]) labels.ids[i] = id;
    }
  }
  return labels;
}

/// The size that pages show an image of height × width at.
std::pair<int64_t, int64_t> page_size(int64_t height, int64_t width) {
  const double scale = std::min(
      1.0, static_cast<double>(kMaxExampleSide) / static_cast<double>(std::max(height, width)));
  const auto side = [&](int64_t length) {
    return std::max<int64_t>(1, std::llround(scale * static_cast<double>(length)));
  };
  return {side(height), side(width)};
}

LabelMap shrink(const LabelMap& labels, int64_t height, int64_t width) {
  LabelMap small{height, width, std::vector<int32_t>(height * width)};
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t x = 0; x < width; ++x) {
      const int64_t row = (2 * y + 1) * labels.height / (2 * height),
                    column = (2 * x + 1) * labels.width / (2 * width);
      small.ids[y * width + x] = labels.ids[row * labels.width + column];
    }
  }
  return small;
}

/// An image of a set and its labels: at the size of pages, and the size that they have.
struct PageImage {
  Image image;
  LabelMap truth;
  int64_t height, width;

  /// Predictions of the image at the size of the page.
  LabelMap shrunk(const SemSegSet& set, const std::string& predictions) const {
    return shrink(read_predictions(predictions, set.info().prediction_ids, height, width),
                  image.height, image.width);
  }
};

PageImage page_image(const SemSegSet& set, size_t classes, const SemSegItem& item) {
  const LabelMap truth = set.labels(item, static_cast<int>(classes));
  Image image = set.read_image(item, truth);
  const auto [height, width] = page_size(truth.height, truth.width);
  if (height != truth.height || width != truth.width) image = resize_bilinear(image, height, width);
  return {std::move(image), shrink(truth, height, width), truth.height, truth.width};
}

}  // namespace

ExamplePicker::ExamplePicker(const SemSegSet& set, const std::vector<std::string>& names,
                             ScoreRule rule, int count)
    : set_(set), names_(names), rule_(rule), count_(count) {}

void ExamplePicker::consider(const ImageRecord& record) {
  if (count_ == 0 || record.state != ImageRecord::State::scored) return;
  Confusion confusion(static_cast<int>(names_.size()));
  for (const auto& [place, pixels] : record.confusion) confusion.counts().at(place) = pixels;
  const double score = class_scores(confusion, rule_).mean_iou;
  if (!std::isnan(score)) scored_.push_back({score, record.index});
}

std::vector<Example> ExamplePicker::pick(const ProgressFile& file) const {
  auto order = scored_;
  std::stable_sort(order.begin(), order.end(),
                   [](const auto& a, const auto& b) { return a.score > b.score; });
  // In a small set each image is shown once: the best, the worst, then random others.
  const auto best = std::min<size_t>(count_, order.size());
  const auto worst = std::min<size_t>(count_, order.size() - best);
  Random random(0);
  for (size_t i = best; i + worst < order.size() && i < best + count_; ++i) {
    std::swap(order[i], order[random.integer(i, order.size() - worst)]);
  }
  std::vector<Example> examples;
  const auto add = [&](const char* kind, size_t at) {
    const auto& [score, index] = order[at];
    const SemSegItem& item = set_.items()[index];
    PageImage page = page_image(set_, names_.size(), item);
    Example example{.kind = kind, .stem = item.stem, .score = 100 * score};
    example.prediction = page.shrunk(set_, file.read(index).text);
    example.image = std::move(page.image);
    example.truth = std::move(page.truth);
    examples.push_back(std::move(example));
  };
  for (size_t i = 0; i < best; ++i) add("best", i);
  for (size_t i = 0; i < worst; ++i) add("worst", order.size() - 1 - i);
  for (size_t i = best; i + worst < order.size() && i < best + count_; ++i) add("random", i);
  return examples;
}

double disagreement(const std::vector<std::string>& predictions) {
  if (predictions.empty()) return 0;
  LabelMap first;
  std::vector<bool> differs;
  for (const std::string& elements : predictions) {
    const auto size = parse_json("[" + elements + "]", "an image's predictions")
                          .at(0)["segmentation"]["size"]
                          .get<std::array<int64_t, 2>>();
    LabelMap labels = read_predictions(elements, {}, size[0], size[1]);
    if (first.ids.empty()) {
      first = std::move(labels);
      differs.resize(first.ids.size());
      continue;
    }
    for (size_t i = 0; i < first.ids.size(); ++i)
      differs[i] = differs[i] || first.ids[i] != labels.ids.at(i);
  }
  return static_cast<double>(std::count(differs.begin(), differs.end(), true)) /
         static_cast<double>(differs.size());
}

ContestedImage contested_image(const SemSegSet& set, const std::vector<std::string>& names,
                               int64_t index, const std::vector<std::string>& predictions) {
  const SemSegItem& item = set.items()[index];
  PageImage page = page_image(set, names.size(), item);
  ContestedImage contested{.stem = item.stem};
  for (const std::string& elements : predictions)
    contested.predictions.push_back(page.shrunk(set, elements));
  contested.image = std::move(page.image);
  contested.truth = std::move(page.truth);
  return contested;
}

}  // namespace pixelclip
