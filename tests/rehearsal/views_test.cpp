#include "inference/views.hpp"

#include <torch/utils.h>

#include "rehearsal/fake_cuda.hpp"
#include "support/tensors.hpp"

namespace pixelclip::fake_cuda {
namespace {

Image noise(int64_t height, int64_t width) {
  Image image(height, width, 3);
  for (size_t i = 0; i < image.pixels.size(); ++i) image.pixels[i] = static_cast<uint8_t>(7 * i);
  return image;
}

TEST(ViewsOnAGpu, ABatchIsOneCopyThatDoesNotBlock) {
  TestConfig test;
  test.aug.enabled = true;
  test.aug.min_sizes = {32, 48};
  test.aug.flip = true;
  const std::vector<Image> images = {noise(40, 60), noise(33, 21)};
  const auto expected = views_of(images, {}, test, {64, 64}, torch::kCPU).images;
  int64_t bytes = 0;
  for (const auto& views : expected) {
    ASSERT_EQ(views.size(), 4u);
    for (const View& view : views) bytes += view.flip ? 0 : view.image.numel();
  }
  const torch::Device gpu("cuda:0");
  auto batch = views_of(images, {}, test, {64, 64}, gpu);
  reset_counts();
  const auto there = upload(std::move(batch), gpu);
  EXPECT_EQ(counts().to_device, 1);
  EXPECT_EQ(counts().blocking_to_device, 0);
  EXPECT_EQ(counts().bytes_to_device, bytes);
  for (size_t i = 0; i < expected.size(); ++i) {
    for (size_t v = 0; v < expected[i].size(); ++v) {
      EXPECT_EQ(there[i][v].image.device(), gpu);
      EXPECT_TRUE(there[i][v].image.cpu().equal(expected[i][v].image)) << i << ", view " << v;
      EXPECT_EQ(there[i][v].flip, expected[i][v].flip);
    }
  }
}

}  // namespace
}  // namespace pixelclip::fake_cuda
