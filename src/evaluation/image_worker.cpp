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
  std::vector<std::string> names;
  std::vector<Size2> sizes;
  for (size_t i = 0; i < indices.size(); ++i) {
    Image image;
    LabelMap truth;
    records.emplace_back(ways_.size(), read(indices[i], image, truth));
    if (records[i].front().state != ImageRecord::State::scored) continue;
    names.push_back(set_.items()[indices[i]].image.string());
    sizes.push_back({truth.height, truth.width});
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
    const auto predictions = label_maps(all[w], ways_[wanted[w]], names, sizes);
    for (size_t i = 0; i < images.size(); ++i) {
      count(ways_[wanted[w]], records[readable[i]][wanted[w]], predictions[i], truths[i]);
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

std::vector<LabelMap> ImageWorker::label_maps(const std::vector<torch::Tensor>& scores,
                                              const Way& way, const std::vector<std::string>& files,
                                              const std::vector<Size2>& sizes) {
  const auto classes = static_cast<int64_t>(way.evaluator.names().size());
  for (size_t i = 0; i < scores.size(); ++i) {
    const bool labels = scores[i].dim() == 2 && scores[i].scalar_type() == torch::kInt;
    TORCH_CHECK(labels || (scores[i].dim() == 3 && scores[i].size(0) == classes), "the scores of ",
                files[i], " have shape ", scores[i].sizes(), ", expected [", classes, ", h, w]");
  }
  return argmax_upsampled(scores, sizes, files);
}

void ImageWorker::count(Way& way, ImageRecord& record, const LabelMap& prediction,
                        const LabelMap& truth) {
  const std::string file = set_.items()[record.index].image.string();
  way.evaluator.process(file, prediction, truth);
  record.confusion = take_counts(way.evaluator.confusion());
  record.boundary = take_counts(way.evaluator.boundary());
  if (way.with_predictions)
    record.text = predictions_json(file, prediction, set_.info().prediction_ids);
}

}  // namespace pixelclip
