#include "evaluation/sem_seg_evaluator.hpp"

#include <map>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "evaluation/boundary.hpp"
#include "image/rle.hpp"

namespace pixelclip {
namespace {

/// detectron2 keeps boundaries in bytes and leaves them out for 255 classes and more.
constexpr size_t kMaxBoundaryClasses = 254;

}  // namespace

SemSegEvaluator::SemSegEvaluator(std::vector<std::string> names, ScoreRule rule, int ignore)
    : names_(std::move(names)),
      rule_(rule),
      ignore_(ignore),
      confusion_(static_cast<int>(names_.size())) {
  if (names_.empty()) fail("there is nothing to score: the class list is empty");
  if (rule_ == ScoreRule::detectron2 && names_.size() <= kMaxBoundaryClasses) {
    boundary_ = Confusion(static_cast<int>(names_.size()));
  }
}

void SemSegEvaluator::process(const std::string& file_name, const LabelMap& prediction,
                              const LabelMap& truth) {
  with_context(file_name, [&] {
    confusion_.add(prediction, truth, ignore_);
    if (boundary_.classes() > 0) {
      LabelMap marked = truth;
      for (int32_t& id : marked.ids) id = id == ignore_ ? boundary_.classes() : id;
      add_boundaries(prediction, marked, boundary_);
    }
  });
  ++images_;
}

void SemSegEvaluator::merge(const SemSegEvaluator& other) {
  confusion_.add(other.confusion_);
  if (boundary_.classes() > 0) boundary_.add(other.boundary_);
  images_ += other.images_;
}

Results SemSegEvaluator::finish() const {
  return results_of(confusion_, boundary_.classes() > 0 ? &boundary_ : nullptr, names_, rule_);
}

std::string predictions_json(const std::string& file_name, const LabelMap& prediction,
                             const std::vector<int32_t>& ids) {
  const std::string name = nlohmann::json(file_name).dump();
  std::string text;
  for (const auto& [id, mask] : rles_from_labels(prediction)) {
    if (!ids.empty() && (id < 0 || static_cast<size_t>(id) >= ids.size())) {
      fail(file_name, ": class ", id, " has no id of its own in the predictions; there are ",
           ids.size());
    }
    const std::string counts = encode_rle(mask);
    text += str(text.empty() ? "" : ", ", "{\"file_name\": ", name,
                ", \"category_id\": ", ids.empty() ? id : ids[id],
                ", \"segmentation\": {\"size\": [", prediction.height, ", ", prediction.width,
                "], \"counts\": ", nlohmann::json(counts).dump(), "}}");
  }
  return text;
}

}  // namespace pixelclip
