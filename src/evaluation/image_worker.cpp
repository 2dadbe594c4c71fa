#include "evaluation/image_worker.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "image/codec.hpp"
#include "inference/argmax_tensor.hpp"

namespace pixelclip {
namespace {

/// The counts that are not 0; sets them to 0.
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

ImageWorker::ImageWorker(const SemSegSet& set, const std::vector<std::string>& names,
                         ScoreRule rule, bool with_predictions)
    : set_(set), evaluator_(names, rule, set.info().ignore), with_predictions_(with_predictions) {}

std::vector<ImageRecord> ImageWorker::operator()(const std::vector<int64_t>& indices,
                                                 const BatchScoreFunction& scores) {
  std::vector<ImageRecord> records(indices.size());
  std::vector<Image> images;
  std::vector<LabelMap> truths;
  std::vector<ImageRecord*> readable;
  for (size_t i = 0; i < indices.size(); ++i) {
    Image image;
    LabelMap truth;
    records[i] = read(indices[i], image, truth);
    if (records[i].state != ImageRecord::State::scored) continue;
    images.push_back(std::move(image));
    truths.push_back(std::move(truth));
    readable.push_back(&records[i]);
  }
  if (images.empty()) return records;
  const auto all = scores(images);
  TORCH_CHECK(all.size() == images.size(), all.size(), " scores for ", images.size(), " images");
  for (size_t i = 0; i < readable.size(); ++i) count(*readable[i], all[i], truths[i]);
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
  apply_ids(truth, set_.id_map(item), static_cast<int>(evaluator_.names().size()), ignore,
            item.label.string());
  if (set_.info().skip_unlabelled && std::all_of(truth.ids.begin(), truth.ids.end(),
                                                 [ignore](int32_t id) { return id == ignore; })) {
    record.state = ImageRecord::State::unlabelled;
  }
  return record;
}

void ImageWorker::count(ImageRecord& record, const torch::Tensor& scores, const LabelMap& truth) {
  const std::string file = set_.items()[record.index].image.string();
  const size_t classes = evaluator_.names().size();
  TORCH_CHECK(scores.dim() == 3 && scores.size(0) == static_cast<int64_t>(classes),
              "the scores of ", file, " have shape ", scores.sizes(), ", expected [", classes,
              ", h, w]");
  LabelMap prediction;
  try {
    prediction = argmax_upsampled(scores, truth.height, truth.width);
  } catch (const Error& e) {
    fail(file, ": ", e.what());
  }
  evaluator_.process(file, prediction, truth);
  record.confusion = take_counts(evaluator_.confusion());
  record.boundary = take_counts(evaluator_.boundary());
  if (with_predictions_)
    record.text = predictions_json(file, prediction, set_.info().prediction_ids);
}

}  // namespace pixelclip
