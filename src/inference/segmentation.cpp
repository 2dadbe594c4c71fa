#include "inference/segmentation.hpp"

#include <torch/utils.h>

#include <map>

#include "inference/argmax_tensor.hpp"
#include "inference/two_threads.hpp"
#include "inference/windows.hpp"
#include "nn/functional.hpp"

namespace pixelclip {
using torch::Tensor;

namespace {

Tensor word_cosines(const EncodedImage& image, const Words& words) {
  const auto& rows = words.bank.embeddings;
  WindowMean mean(rows.size(0), image.rows, image.columns, rows.options());
  for (const auto& window : image.windows) {
    const auto& f = window.features;
    // The cosine with a resized feature: resizing is linear, so the dot products are resized
    // instead.
    const auto dots =
        torch::matmul(rows, f.flatten(0, 1).t()).view({1, rows.size(0), f.size(0), f.size(1)});
    mean.add(resize_bilinear(dots, kScoreGrid, kScoreGrid).squeeze(0) / window.norms, window.row,
             window.column);
  }
  auto scores = best_of_rows(mean.mean(), words.bank.owner);
  if (!words.least_cosine) return scores;
  if (words.bank.background < 0)
    return torch::cat({scores, torch::full_like(scores.slice(0, 0, 1), *words.least_cosine)});
  scores[words.bank.background].clamp_min_(*words.least_cosine);
  return scores;
}

}  // namespace

Tensor score_words(const EncodedImage& image, const Words& words) {
  const torch::NoGradGuard no_grad;
  Tensor scores;
  run_with_two_threads(words.bank.embeddings.device(),
                       [&] { scores = word_cosines(image, words); });
  return scores;
}

Segmentation segment(const EncodedImage& image, const Words& words, int threads) {
  const auto scores = score_words(image, words);
  return {words.names, scores.to(torch::kCPU).contiguous(),
          argmax_upsampled(scores, image.height, image.width, threads)};
}

std::vector<Region> regions(const Segmentation& segmentation) {
  const LabelMap& labels = segmentation.labels;
  const auto scores = segmentation.scores.accessor<float, 3>();
  const int64_t rows = scores.size(1), columns = scores.size(2);
  std::map<int32_t, std::pair<double, int64_t>> won;
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < columns; ++c) {
      const int64_t y = (2 * r + 1) * labels.height / (2 * rows),
                    x = (2 * c + 1) * labels.width / (2 * columns);
      const int32_t winner = labels.ids[y * labels.width + x];
      won[winner].first += scores[winner][r][c];
      won[winner].second += 1;
    }
  }
  std::vector<Region> result;
  for (auto& [label, mask] : rles_from_labels(labels)) {
    Region region;
    region.id = label;
    region.area = rle_area(mask.counts);
    region.mask = mask;
    const auto cells = won.find(label);
    region.score = cells != won.end()
                       ? cells->second.first / static_cast<double>(cells->second.second)
                       : segmentation.scores[label].max().item<double>();
    result.push_back(std::move(region));
  }
  return result;
}

}  // namespace pixelclip
