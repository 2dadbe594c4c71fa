#include "visualization/step_image.hpp"

#include <torch/utils.h>

#include <algorithm>

#include "modeling/mask_clusters.hpp"
#include "nn/functional.hpp"
#include "visualization/sheet.hpp"

namespace pixelclip {
using torch::Tensor;
namespace {

constexpr double kShare = 0.6;  // weight of a color over the image

/// [count + 1, 3] float; the last row (index −1) means no color.
Tensor palette(int64_t count) {
  auto table = torch::full({count + 1, 3}, -1.0);
  const auto colors = distinct_colors(static_cast<int>(std::min<int64_t>(count, 64)));
  for (int64_t i = 0; i < count; ++i) {
    const auto& color = colors[i % colors.size()];
    table[i] = torch::tensor({color.red, color.green, color.blue}).to(torch::kFloat);
  }
  return table;
}

/// Blends the colors of `ids` [H, W] (−1: none) over `image` [H, W, 3].
Tensor colored(const Tensor& image, const Tensor& ids, int64_t count) {
  const auto table = palette(std::max<int64_t>(1, count));
  const auto colors = table.index_select(0, ids.remainder(table.size(0)).flatten()).view_as(image);
  return torch::where(colors.lt(0), image, kShare * colors + (1 - kShare) * image);
}

}  // namespace

Image step_image(const TrainSample& sample, const Tensor& bits, const Tensor& assignment,
                 const Tensor& logits) {
  torch::NoGradGuard no_grad;
  const int64_t clusters = logits.size(0), height = logits.size(1), width = logits.size(2);
  const int64_t below = std::max<int64_t>(0, sample.frame.height - sample.image.size(1));
  const int64_t right = std::max<int64_t>(0, sample.frame.width - sample.image.size(2));
  const auto framed = at::constant_pad_nd(sample.image, {0, right, 0, below}).to(torch::kFloat);
  const auto input = resize_bilinear(framed.unsqueeze(0), height, width)[0].permute({1, 2, 0});
  const auto masks = unpack_masks(bits, width).to(torch::kCPU), chosen = assignment.to(torch::kCPU);
  auto number = torch::full({height, width}, -1, torch::kLong), cluster = number.clone();
  for (int64_t m = 0; m < masks.size(0); ++m) {  // largest first, so that small masks stay visible
    number.masked_fill_(masks[m].gt(0), m);
    cluster.masked_fill_(masks[m].gt(0), chosen[m].item<int64_t>());
  }
  const auto tiles =
      torch::cat({input, colored(input, number, masks.size(0)), colored(input, cluster, clusters),
                  colored(input, logits.argmax(0).to(torch::kCPU), clusters)},
                 1)
          .round()
          .clamp(0, 255)
          .to(torch::kUInt8)
          .contiguous();  // [H, 4W, 3]
  Image image(height, 4 * width, 3);
  std::copy_n(tiles.const_data_ptr<uint8_t>(), image.pixels.size(), image.pixels.begin());
  return image;
}

}  // namespace pixelclip
