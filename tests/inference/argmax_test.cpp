#include "inference/argmax.hpp"

#include <torch/utils.h>

#include <limits>

#include "inference/argmax_pixel.hpp"
#include "support/support.hpp"

namespace pixelclip {
namespace {

using ::testing::HasSubstr;

LabelMap fused(const torch::Tensor& scores, int64_t height, int64_t width, int threads = 1) {
  return argmax_upsampled(scores.const_data_ptr<float>(), scores.size(0), scores.size(1),
                          scores.size(2), height, width, threads);
}

/// What each thread of the GPU's kernel does.
LabelMap as_on_a_gpu(const torch::Tensor& scores, int64_t height, int64_t width) {
  const int classes = scores.size(0), h = scores.size(1), w = scores.size(2);
  LabelMap labels{height, width, {}};
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t x = 0; x < width; ++x) {
      labels.ids.push_back(argmax_at(scores.const_data_ptr<float>(), classes, h, w,
                                     place_on_grid(y, height, h), place_on_grid(x, width, w)));
    }
  }
  return labels;
}

torch::Tensor plain(const torch::Tensor& scores, int64_t height, int64_t width) {
  return at::upsample_bilinear2d(scores.unsqueeze(0), {height, width}, false)[0].argmax(0);
}

double agreement(const LabelMap& labels, const torch::Tensor& expected) {
  const auto actual = torch::tensor(labels.ids, torch::kInt64).view({labels.height, labels.width});
  return (actual == expected).to(torch::kDouble).mean().item<double>();
}

TEST(FusedArgmax, AgreesWithUpsamplingThenArgmaxAtOddSizes) {
  torch::manual_seed(1);
  const torch::NoGradGuard no_grad;
  for (const auto& [classes, h, w, height, width] :
       std::initializer_list<std::tuple<int, int, int, int, int>>{{150, 64, 64, 241, 317},
                                                                  {19, 64, 64, 129, 511},
                                                                  {1, 5, 5, 9, 9},
                                                                  {7, 1, 1, 13, 17},
                                                                  {33, 3, 50, 97, 61},
                                                                  {16, 9, 1, 5, 100},
                                                                  {5, 64, 64, 31, 17},
                                                                  {2, 64, 64, 1, 1},
                                                                  {17, 4, 4, 4, 4},
                                                                  {40, 2, 2, 150, 3}}) {
    for (const bool smooth : {false, true}) {
      auto scores = torch::randn({classes, h, w});
      if (smooth) scores = at::avg_pool2d(scores.unsqueeze(0), {3, 3}, {1, 1}, {1, 1})[0] * 3 + 100;
      scores = scores.contiguous();
      const auto expected = plain(scores, height, width);
      EXPECT_GE(agreement(fused(scores, height, width), expected), 0.9999)
          << classes << " classes, " << h << "×" << w << " to " << height << "×" << width;
      EXPECT_GE(agreement(as_on_a_gpu(scores, height, width), expected), 0.9999)
          << "the GPU's rule";
    }
  }
}

/// The same arithmetic without leaving out a class: pruning must not change one label.
TEST(FusedArgmax, PruningIsExact) {
  torch::manual_seed(2);
  constexpr int classes = 37, grid = 6, size = 53;
  auto scores = torch::randn({classes, grid, grid}).contiguous();
  // Many near ties, where rounding decides.
  scores = (scores * 4).round() / 4 + torch::rand({classes, grid, grid}) * 2e-7;
  const auto s = scores.accessor<float, 3>();
  const LabelMap labels = fused(scores, size, size);
  const auto place = [](int i, int& cell, float& weight) {
    const float at = std::max(0.0f, static_cast<float>(grid) / size * (i + 0.5f) - 0.5f);
    cell = std::min(static_cast<int>(at), grid - 1);
    weight = at - static_cast<float>(cell);
  };
  for (int y = 0; y < size; ++y) {
    for (int x = 0; x < size; ++x) {
      int row, column, best = 0;
      float t, u, highest = -1e30f;
      place(y, row, t);
      place(x, column, u);
      const int row1 = std::min(row + 1, grid - 1), column1 = std::min(column + 1, grid - 1);
      for (int c = 0; c < classes; ++c) {
        const float left = s[c][row][column] + t * (s[c][row1][column] - s[c][row][column]);
        const float right = s[c][row][column1] + t * (s[c][row1][column1] - s[c][row][column1]);
        const float value = left + u * (right - left);
        if (value > highest) highest = value, best = c;
      }
      ASSERT_EQ(labels.ids[y * size + x], best) << y << ' ' << x;
    }
  }
}

TEST(FusedArgmax, TiesGoToTheLowestClass) {
  auto scores = torch::zeros({20, 4, 4});
  scores.slice(0, 3, 9) = torch::rand({1, 4, 4}) + 1;
  for (const int32_t id : fused(scores.contiguous(), 33, 29).ids) ASSERT_EQ(id, 3);
}

TEST(FusedArgmax, DoesNotDependOnTheNumberOfThreads) {
  const auto scores = torch::randn({21, 16, 16});
  const LabelMap one = fused(scores, 101, 77, 1);
  EXPECT_EQ(one.ids, fused(scores, 101, 77, 2).ids);
  EXPECT_EQ(one.ids, fused(scores, 101, 77, 7).ids);
}

TEST(FusedArgmax, HandlesVeryLargeAndVerySmallScores) {
  for (const float scale : {1e-38f, 1e30f}) {
    const auto scores = torch::randn({9, 8, 8}) * scale;
    EXPECT_GE(agreement(fused(scores, 40, 40), plain(scores, 40, 40)), 0.999) << scale;
  }
}

TEST(FusedArgmax, ScoresThatAreNotFiniteAreRefused) {
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    auto scores = torch::zeros({3, 4, 4});
    scores[1][2][3] = bad;
    EXPECT_ERROR(fused(scores, 8, 8), HasSubstr("not a finite number"));
    EXPECT_THAT(as_on_a_gpu(scores, 8, 8).ids, ::testing::Contains(-1));
  }
  EXPECT_ERROR(argmax_upsampled(nullptr, 0, 1, 1, 1, 1), HasSubstr("0 classes"));
}

}  // namespace
}  // namespace pixelclip
