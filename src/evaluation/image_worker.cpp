#include "evaluation/image_worker.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "image/codec.hpp"
#include "inference/argmax_tensor.hpp"

namespace pixelclip {
namespace {

/// Returns the nonzero counts and resets them to 0.
SparseCounts take_counts(Confusion& confusion) {
  SparseCounts sparse;
  auto& counts = confusion.counts();
  for (size_t i = 0; i < counts.size(); ++i) {
    if (counts[i] == 0) continue;
    sparse.emplace_back(i, counts[i]);
    counts[i] = 0;
  }
  return sparse;
}

}  // namespace

ImageWorker::ImageWorker(const SemSegSet& set, const std::vector<ScoredAs>& ways) : set_(set) {
  for (const ScoredAs& way : ways) {
    ways_.push_back(
        {SemSegEvaluator(way.names, way.rule, set.info().ignore), way.with_predictions});
  }
}

std::vector<std::vector<ImageRecord>> ImageWorker::operator()(const std::vector<int64_t>& indices,
                                                              const std::vector<size_t>& wanted,
                                                              const WaysScoreFunction& scores) {
  std::vector<std::vector<ImageRecord>> records;
  std::vector<Image> images;
  std::vector<LabelMap> truths;
  std::vector<size_t> readable;
  for (size_t i = 0; i < indices.size(); ++i) {
    Image image;
    LabelMap truth;
    records.emplace_back(ways_.size(), read(indices[i], image, truth));
    if (records[i].front().state != ImageRecord::State::scored) continue;
    images.push_back(std::move(image));
    truths.push_back(std::move(truth));
    readable.push_back(i);
  }
  if (images.empty()) return records;
  const auto all = scores(images, wanted);
  TORCH_CHECK(all.size() == wanted.size(), all.size(), " scores for ", wanted.size(), " ways");
  for (size_t w = 0; w < wanted.size(); ++w) {
    TORCH_CHECK(all[w].size() == images.size(), all[w].size(), " scores for ", images.size(),
                " images");
    for (size_t i = 0; i < images.size(); ++i) {
      count(ways_[wanted[w]], records[readable[i]][wanted[w]], all[w][i], truths[i]);
    }
  }
  return records;
}

ImageRecord ImageWorker::read(int64_t index, Image& image, LabelMap& truth) const {
  const SemSegItem& item = set_.items()[index];
  ImageRecord record;
  record.index = index;
  try {
    truth = set_.stored_ids(item);
    image = set_.read_image(item, truth);
  } catch (const Error& e) {
    record.state = ImageRecord::State::unreadable;
    record.text = e.what();
    return record;
  }
  const int ignore = set_.info().ignore;
  apply_ids(truth, set_.id_map(item), static_cast<int>(ways_.front().evaluator.names().size()),
            ignore, item.label.string());
  if (set_.info().skip_unlabelled && std::all_of(truth.ids.begin(), truth.ids.end(),
                                                 [ignore](int32_t id) { return id == ignore; })) {
    record.state = ImageRecord::State::unlabelled;
  }
  return record;
}

void ImageWorker::count(Way& way, ImageRecord& record, const torch::Tensor& scores,
                        const LabelMap& truth) {
  const std::string file = set_.items()[record.index].image.string();
  const size_t classes = way.evaluator.names().size();
  const bool labels = scores.dim() == 2 && scores.scalar_type() == torch::kInt;
  TORCH_CHECK(labels || (scores.dim() == 3 && scores.size(0) == static_cast<int64_t>(classes)),
              "the scores of ", file, " have shape ", scores.sizes(), ", expected [", classes,
              ", h, w]");
  const LabelMap prediction =
      with_context(file, [&] { return argmax_upsampled(scores, truth.height, truth.width); });
  way.evaluator.process(file, prediction, truth);
  record.confusion = take_counts(way.evaluator.confusion());
  record.boundary = take_counts(way.evaluator.boundary());
  if (way.with_predictions)
    record.text = predictions_json(file, prediction, set_.info().prediction_ids);
}

}  // namespace pixelclip
