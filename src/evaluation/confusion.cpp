#include "evaluation/confusion.hpp"

#include <cmath>
#include <limits>
#include <set>

#include "base/error.hpp"

namespace pixelclip {
namespace {

constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();

struct Marginals {
  std::vector<double> hit, truth, predicted;
  double all = 0;
};

/// Pixels with ignored truth are not counted, not even as predictions.
Marginals marginals(const Confusion& confusion) {
  const int classes = confusion.classes();
  Marginals sums{std::vector<double>(classes), std::vector<double>(classes),
                 std::vector<double>(classes)};
  std::vector<int64_t> truth(classes), predicted(classes);
  int64_t all = 0;
  for (int p = 0; p < classes; ++p) {
    for (int t = 0; t < classes; ++t) {
      truth[t] += confusion.at(p, t);
      predicted[p] += confusion.at(p, t);
    }
  }
  for (int c = 0; c < classes; ++c) {
    all += truth[c];
    sums.hit[c] = static_cast<double>(confusion.at(c, c));
    sums.truth[c] = static_cast<double>(truth[c]);
    sums.predicted[c] = static_cast<double>(predicted[c]);
  }
  sums.all = static_cast<double>(all);
  return sums;
}

double mean_of_defined(const std::vector<double>& values) {
  double sum = 0;
  int count = 0;
  for (const double value : values) {
    if (std::isnan(value)) continue;
    sum += value;
    ++count;
  }
  return count > 0 ? sum / count : kUndefined;
}

/// Python's min: the first unless the second is smaller, so NaN in the first stays.
double python_min(double a, double b) { return b < a ? b : a; }

}  // namespace

void Confusion::add(const LabelMap& predicted, const LabelMap& truth, int ignore) {
  if (predicted.height != truth.height || predicted.width != truth.width) {
    fail("the prediction is ", predicted.width, "×", predicted.height, ", its labels ", truth.width,
         "×", truth.height);
  }
  const int side = classes_ + 1;
  const size_t size = truth.ids.size();
  // Neighboring pixels are mostly equal: count runs of equal pairs.
  for (size_t i = 0; i < size;) {
    const int32_t p = predicted.ids[i], t = truth.ids[i];
    size_t end = i + 1;
    while (end < size && predicted.ids[end] == p && truth.ids[end] == t) ++end;
    const int32_t column = t == ignore ? classes_ : t;
    if (p < 0 || p >= classes_)
      fail("a predicted id is ", p, ", but there are ", classes_, " classes");
    if (column < 0 || column > classes_ || (column == classes_ && t != ignore)) {
      fail("a true id is ", t, ", but there are ", classes_, " classes and ", ignore,
           " is ignored");
    }
    counts_[static_cast<size_t>(p) * side + column] += static_cast<int64_t>(end - i);
    i = end;
  }
}

void Confusion::add(const Confusion& other) {
  if (other.classes_ != classes_) {
    fail("confusions of ", classes_, " and ", other.classes_, " classes cannot be added");
  }
  for (size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
}

ClassScores class_scores(const Confusion& confusion, ScoreRule rule) {
  const int classes = confusion.classes();
  const Marginals sums = marginals(confusion);
  ClassScores scores{std::vector<double>(classes, kUndefined),
                     std::vector<double>(classes, kUndefined)};
  double hits = 0;
  for (int c = 0; c < classes; ++c) {
    const double all = sums.truth[c] + sums.predicted[c] - sums.hit[c];
    const bool counts = rule == ScoreRule::detectron2 ? sums.truth[c] > 0 : all > 0;
    if (counts) scores.iou[c] = sums.hit[c] / all;
    if (sums.truth[c] > 0) {
      scores.accuracy[c] = sums.hit[c] / sums.truth[c];
      scores.frequency_iou += scores.iou[c] * (sums.truth[c] / sums.all);
    }
    hits += sums.hit[c];
  }
  scores.mean_iou = mean_of_defined(scores.iou);
  scores.mean_accuracy = mean_of_defined(scores.accuracy);
  scores.pixel_accuracy = sums.all > 0 ? hits / sums.all : kUndefined;
  if (sums.all == 0) scores.frequency_iou = kUndefined;
  return scores;
}

std::vector<double> boundary_iou(const Confusion& boundary) {
  return class_scores(boundary, ScoreRule::mmseg).iou;
}

std::vector<std::pair<std::string, double>> cityscapes_categories(const Confusion& confusion) {
  struct Category {
    const char* name;
    int first, last;
  };
  constexpr Category kCategories[] = {{"flat", 0, 1},     {"construction", 2, 4}, {"object", 5, 7},
                                      {"nature", 8, 9},   {"sky", 10, 10},        {"human", 11, 12},
                                      {"vehicle", 13, 18}};
  std::vector<std::pair<std::string, double>> scores;
  if (confusion.classes() != 19) return scores;
  for (const auto& [name, first, last] : kCategories) {
    int64_t hit = 0, any = 0;
    for (int p = 0; p < 19; ++p) {
      for (int t = 0; t < 19; ++t) {
        const bool predicted = p >= first && p <= last, truth = t >= first && t <= last;
        if (predicted && truth) hit += confusion.at(p, t);
        if (predicted || truth) any += confusion.at(p, t);
      }
    }
    scores.emplace_back(name,
                        any > 0 ? static_cast<double>(hit) / static_cast<double>(any) : kUndefined);
  }
  return scores;
}

std::vector<std::string> unique_names(const std::vector<std::string>& names) {
  std::set<std::string> used(names.begin(), names.end()), seen;
  std::vector<std::string> unique;
  for (size_t c = 0; c < names.size(); ++c) {
    std::string name = names[c];
    if (!seen.insert(name).second) {
      for (int more = 0; !used.insert(name).second; ++more) {
        name = names[c] + " (class " + std::to_string(c) + std::string(more, '\'') + ")";
      }
    }
    unique.push_back(std::move(name));
  }
  return unique;
}

Results results_of(const Confusion& confusion, const Confusion* boundary,
                   const std::vector<std::string>& class_names, ScoreRule rule) {
  const auto names = unique_names(class_names);
  const ClassScores scores = class_scores(confusion, rule);
  const auto edges = boundary ? boundary_iou(*boundary) : std::vector<double>();
  Results results;
  if (rule == ScoreRule::cityscapes) {
    results.emplace_back("IoU", 100 * scores.mean_iou);
    const auto categories = cityscapes_categories(confusion);
    if (!categories.empty()) {
      std::vector<double> values;
      for (const auto& [name, value] : categories) values.push_back(value);
      results.emplace_back("IoU_sup", 100 * mean_of_defined(values));
      for (const auto& [name, value] : categories) {
        results.emplace_back("IoU_sup-" + name, 100 * value);
      }
    }
  }
  results.emplace_back("mIoU", 100 * scores.mean_iou);
  results.emplace_back("fwIoU", 100 * scores.frequency_iou);
  for (size_t c = 0; c < names.size(); ++c) {
    results.emplace_back("IoU-" + names[c], 100 * scores.iou[c]);
    if (edges.empty()) continue;
    results.emplace_back("BoundaryIoU-" + names[c], 100 * edges[c]);
    results.emplace_back("min(IoU, B-Iou)-" + names[c], 100 * python_min(scores.iou[c], edges[c]));
  }
  results.emplace_back("mACC", 100 * scores.mean_accuracy);
  results.emplace_back("pACC", 100 * scores.pixel_accuracy);
  for (size_t c = 0; c < names.size(); ++c) {
    results.emplace_back("ACC-" + names[c], 100 * scores.accuracy[c]);
  }
  return results;
}

}  // namespace pixelclip
