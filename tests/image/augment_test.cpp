#include "image/augment.hpp"

#include <array>
#include <cmath>
#include <opencv2/imgproc.hpp>
#include <set>

#include "support/support.hpp"
#include "synthetic_image.hpp"

namespace pixelclip::testing {
namespace {

struct Moments {
  double sum = 0, squares = 0, least = 1e300, most = -1e300;
  int64_t count = 0;

  void add(double x) {
    sum += x, squares += x * x, ++count;
    least = std::min(least, x), most = std::max(most, x);
  }
  double mean() const { return sum / static_cast<double>(count); }
  double variance() const { return squares / static_cast<double>(count) - mean() * mean(); }
};

/// Mean and variance of U(low, high), within six standard errors.
void expect_uniform(const Moments& m, double low, double high, const char* what) {
  const double n = static_cast<double>(m.count), width = high - low;
  EXPECT_NEAR(m.mean(), (low + high) / 2, 6 * width / std::sqrt(12 * n)) << what;
  EXPECT_NEAR(m.variance(), width * width / 12, 6 * width * width / std::sqrt(180 * n)) << what;
  EXPECT_GE(m.least, low) << what;
  EXPECT_LE(m.most, high) << what;
}

void expect_share(int64_t hits, int64_t draws, double p, const char* what) {
  const double n = static_cast<double>(draws);
  EXPECT_NEAR(static_cast<double>(hits) / n, p, 6 * std::sqrt(p * (1 - p) / n)) << what;
}

constexpr int kDraws = 40000;

TEST(SsdJitter, DrawsTheStatedDistributions) {
  Random random(21);
  int64_t brightness = 0, contrast = 0, saturation = 0, hue = 0, first = 0, both = 0;
  Moments delta, contrasts, saturations, hues;
  std::set<int> seen;
  for (int i = 0; i < kDraws; ++i) {
    const SsdJitter j = SsdJitter::draw(random);
    brightness += j.brightness, contrast += j.contrast, saturation += j.saturation, hue += j.hue;
    first += j.contrast_first, both += j.saturation && j.hue;
    delta.add(j.brightness_delta), contrasts.add(j.contrast_factor);
    saturations.add(j.saturation_factor), hues.add(j.hue_delta);
    seen.insert(j.hue_delta);
  }
  expect_share(brightness, kDraws, 0.5, "brightness");
  expect_share(contrast, kDraws, 0.5, "contrast");
  expect_share(saturation, kDraws, 0.5, "saturation");
  expect_share(hue, kDraws, 0.5, "hue");
  expect_share(first, kDraws, 0.5, "contrast first");
  expect_share(both, kDraws, 0.25, "saturation and hue");
  expect_uniform(delta, -32, 32, "brightness");
  expect_uniform(contrasts, 0.5, 1.5, "contrast");
  expect_uniform(saturations, 0.5, 1.5, "saturation");
  EXPECT_NEAR(hues.mean(), 0, 0.4);
  EXPECT_EQ(seen.size(), 37u);
  EXPECT_EQ(*seen.begin(), -18);
  EXPECT_EQ(*seen.rbegin(), 18);
}

TEST(StrongAugment, DrawsTheStatedDistributions) {
  Random random(22);
  int64_t jitter = 0, grey = 0, blur = 0;
  Moments brightness, contrast, saturation, hue, sigma, width, height;
  std::array<std::array<int64_t, 4>, 4> places = {};
  std::set<std::array<StrongAugment::Step, 4>> orders;
  for (int i = 0; i < kDraws; ++i) {
    const StrongAugment a = StrongAugment::draw(random, 4000, 6400);
    jitter += a.jitter, grey += a.grey, blur += a.blur;
    brightness.add(a.brightness), contrast.add(a.contrast), saturation.add(a.saturation);
    hue.add(a.hue), sigma.add(a.sigma);
    // As in the public code the width is a share of the crop's height and the other way round.
    width.add(static_cast<double>(a.cutout.width) / 4000);
    height.add(static_cast<double>(a.cutout.height) / 6400);
    orders.insert(a.order);
    for (int k = 0; k < 4; ++k) ++places[k][a.order[k]];
    EXPECT_GE(a.cutout.x, 0);
    EXPECT_GE(a.cutout.y, 0);
    EXPECT_LE(a.cutout.x + a.cutout.width, 6400);
    EXPECT_LE(a.cutout.y + a.cutout.height, 4000);
  }
  expect_share(jitter, kDraws, 0.8, "jitter");
  expect_share(grey, kDraws, 0.2, "grey");
  expect_share(blur, kDraws, 0.5, "blur");
  expect_uniform(brightness, 0.5, 1.5, "brightness");
  expect_uniform(contrast, 0.5, 1.5, "contrast");
  expect_uniform(saturation, 0.5, 1.5, "saturation");
  expect_uniform(hue, -0.25, 0.25, "hue");
  expect_uniform(sigma, 0.1, 2, "sigma");
  EXPECT_NEAR(width.mean(), 0.3, 0.005);
  EXPECT_NEAR(height.mean(), 0.3, 0.005);
  EXPECT_EQ(orders.size(), 24u);
  for (const auto& place : places) {
    for (const int64_t hits : place) expect_share(hits, kDraws, 0.25, "a step's place");
  }
}

TEST(StrongAugment, TheCutoutMayBeOffByOneAndIsClipped) {
  Random random(7);
  std::set<std::pair<int64_t, int64_t>> seen;  // left edge and width of cuts along 20 pixels
  for (int i = 0; i < 20000; ++i) {
    const Rect cut = StrongAugment::draw(random, 20, 20).cutout;
    seen.emplace(cut.x, cut.width);
  }
  // Sizes 2 to 9 at [0, 21 - size]; the last place loses a pixel.
  for (int64_t size = 2; size < 10; ++size) {
    for (int64_t x = 0; x + size <= 20; ++x) EXPECT_TRUE(seen.count({x, size})) << x << ' ' << size;
    EXPECT_TRUE(seen.count({21 - size, size - 1})) << size;
  }
  for (const auto& [x, width] : seen) EXPECT_LE(x + width, 20);
  EXPECT_TRUE(seen.count({19, 1}));  // of a cut of two
}

TEST(StrongAugment, TheSameStreamDrawsTheSame) {
  Random a(5, 1, 2), b(5, 1, 2);
  const auto x = StrongAugment::draw(a, 640, 640), y = StrongAugment::draw(b, 640, 640);
  EXPECT_EQ(x.cutout, y.cutout);
  EXPECT_EQ(x.sigma, y.sigma);
  EXPECT_EQ(x.order, y.order);
}

TEST(StrongAugment, IsItsStepsInOrder) {
  Random random(23);
  BlurScratch scratch;
  for (int i = 0; i < 60; ++i) {
    const Image image = synthetic_image(random.integer(1, 60), random.integer(1, 300), 3, i);
    const StrongAugment a = StrongAugment::draw(random, image.height, image.width);
    const SsdJitter jitter = SsdJitter::draw(random);
    const PlanarImage weak(image.height, image.width), strong(image.height, image.width);
    make_views(image, jitter, &a, weak.planes(), strong.planes(), scratch);
    Image stepwise = image;
    apply(jitter, stepwise);
    ASSERT_EQ(largest_difference(weak.interleaved(), stepwise), 0);
    for (const auto step : a.order) {
      if (!a.jitter) break;
      if (step == StrongAugment::kBrightness) adjust_brightness(stepwise, a.brightness);
      if (step == StrongAugment::kContrast) adjust_contrast(stepwise, a.contrast);
      if (step == StrongAugment::kSaturation) adjust_saturation(stepwise, a.saturation);
      if (step == StrongAugment::kHue) adjust_hue(stepwise, a.hue);
    }
    if (a.grey) make_grey(stepwise);
    if (a.blur) gaussian_blur(stepwise, a.sigma, scratch);
    paint(stepwise, a.cutout, 0);
    ASSERT_EQ(largest_difference(strong.interleaved(), stepwise), 0);
  }
}

/// A value as detectron2 converts it.
uint8_t converted(uint8_t x, float factor, float offset) {
  return static_cast<uint8_t>(std::clamp(static_cast<float>(x) * factor + offset, 0.0f, 255.0f));
}

TEST(SsdJitter, BrightnessAndContrastCutToIntegers) {
  const Image image = synthetic_image(13, 29);
  SsdJitter j;
  j.brightness = j.contrast = true;
  j.brightness_delta = -17.3f, j.contrast_factor = 1.37f;
  for (const bool first : {true, false}) {
    j.contrast_first = first;
    Image jittered = image;
    apply(j, jittered);
    for (size_t i = 0; i < image.pixels.size(); ++i) {
      EXPECT_EQ(jittered.pixels[i], converted(converted(image.pixels[i], 1, -17.3f), 1.37f, 0));
    }
  }
}

/// detectron2's saturation or hue, with OpenCV's conversion there and back. Rows of a multiple of
/// 32 pixels go wholly through OpenCV's vector code, as those of a 640-pixel crop do.
template <typename Change>
Image through_opencv(Image image, const Change& change) {
  cv::Mat rgb(static_cast<int>(image.height), static_cast<int>(image.width), CV_8UC3,
              image.pixels.data());
  cv::Mat hsv;
  cv::cvtColor(rgb, hsv, cv::COLOR_RGB2HSV);
  for (int i = 0; i < hsv.rows * hsv.cols; ++i) change(hsv.data + 3 * i);
  cv::cvtColor(hsv, rgb, cv::COLOR_HSV2RGB);
  return image;
}

TEST(SsdJitter, HueAndSaturationAreThoseOfOpenCv) {
  // OpenCV's own vector code rounds twice where the processor has no fused multiplication.
#ifdef __x86_64__
  const int kAllowed = __builtin_cpu_supports("fma") ? 0 : 1;
#else
  const int kAllowed = 0;
#endif
  Random random(24);
  for (int i = 0; i < 40; ++i) {
    const Image image = synthetic_image(160, 320, 3, i);
    SsdJitter saturation, hue, both;
    saturation.saturation = both.saturation = hue.hue = both.hue = true;
    const auto factor = static_cast<float>(random.uniform(0.5, 1.5));
    const auto delta = static_cast<int>(random.integer(-18, 19));
    saturation.saturation_factor = both.saturation_factor = factor;
    hue.hue_delta = both.hue_delta = delta;
    const auto saturate = [&](uint8_t* hsv) { hsv[1] = converted(hsv[1], factor, 0); };
    const auto turn = [&](uint8_t* hsv) {
      hsv[0] = static_cast<uint8_t>((hsv[0] + delta + 180) % 180);
    };
    const Image saturated = through_opencv(image, saturate);
    Image jittered = image;
    apply(saturation, jittered);
    EXPECT_LE(largest_difference(jittered, saturated), kAllowed);
    jittered = image;
    apply(hue, jittered);
    EXPECT_LE(largest_difference(jittered, through_opencv(image, turn)), kAllowed);
    if (kAllowed > 0) continue;
    jittered = image;
    apply(both, jittered);
    EXPECT_EQ(largest_difference(jittered, through_opencv(saturated, turn)), 0);
  }
}

TEST(SsdJitter, NothingDrawnChangesNothing) {
  const Image image = synthetic_image(10, 10);
  Image jittered = image;
  apply(SsdJitter(), jittered);
  EXPECT_EQ(jittered.pixels, image.pixels);
  Image grey = synthetic_image(10, 10, 1);
  EXPECT_ERROR(apply(SsdJitter(), grey), ::testing::HasSubstr("needs RGB"));
}

TEST(StrongAugment, EachStepIsThatOfPillow) {
  // Fingerprints of ImageEnhance, torchvision's adjust_hue on Pillow images, convert("L") and
  // ImageFilter.GaussianBlur of Pillow 10.4 on this image.
  const Image image = synthetic_image(61, 83);
  BlurScratch scratch;
  const auto after = [&](auto step) {
    Image copy = image;
    step(copy);
    return fingerprint(copy.pixels);
  };
  EXPECT_EQ(after([](Image& i) { adjust_brightness(i, 1.25f); }), 0x9fe843e825ab3c5bull);
  EXPECT_EQ(after([](Image& i) { adjust_contrast(i, 0.625f); }), 0x4128b2951559b174ull);
  EXPECT_EQ(after([](Image& i) { adjust_saturation(i, 1.375f); }), 0x548d4329530ec043ull);
  EXPECT_EQ(after([](Image& i) { adjust_hue(i, 0.2); }), 0xc71ace0ac40e65acull);
  EXPECT_EQ(after([](Image& i) { adjust_hue(i, -0.15); }), 0x9a188daa76337ceaull);
  EXPECT_EQ(after([](Image& i) { make_grey(i); }), 0xcd534ad2f2bcbc73ull);
  EXPECT_EQ(after([&](Image& i) { gaussian_blur(i, 0.5f, scratch); }), 0xce258a0443ec738ull);
  EXPECT_EQ(after([&](Image& i) { gaussian_blur(i, 1.75f, scratch); }), 0xd0660d1d32a63381ull);
  EXPECT_EQ(after([&](Image& i) { gaussian_blur(i, 7.0f, scratch); }), 0x79e1dfe15e025229ull);
}

TEST(StrongAugment, ABlurKeepsAFlatImageAndRefusesNonsense) {
  BlurScratch scratch;
  for (const float sigma : {0.1f, 0.7f, 2.0f, 9.0f}) {
    Image flat(3, 5, 3);
    std::fill(flat.pixels.begin(), flat.pixels.end(), 200);
    gaussian_blur(flat, sigma, scratch);
    for (const uint8_t x : flat.pixels) EXPECT_EQ(x, 200) << sigma;
  }
  Image image = synthetic_image(4, 4);
  EXPECT_ERROR(gaussian_blur(image, -1, scratch), ::testing::HasSubstr("not offered"));
  EXPECT_ERROR(gaussian_blur(image, NAN, scratch), ::testing::HasSubstr("not offered"));
}

TEST(StrongAugment, PaintStaysInsideTheImage) {
  Image image(4, 4, 3);
  std::fill(image.pixels.begin(), image.pixels.end(), 1);
  paint(image, {-2, 3, 4, 9}, 0);
  EXPECT_EQ(std::count(image.pixels.begin(), image.pixels.end(), 0), 2 * 3);
  paint(image, {9, 9, 2, 2}, 0);
  EXPECT_EQ(std::count(image.pixels.begin(), image.pixels.end(), 0), 2 * 3);
}

}  // namespace
}  // namespace pixelclip::testing
