#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "base/random.hpp"
#include "image/blur.hpp"
#include "image/image.hpp"
#include "image/planes.hpp"
#include "image/ssd_jitter.hpp"

/// Color augmentation of RGB crops. draw() fills a struct with random parameters; the functions
/// that apply it are deterministic.
namespace pixelclip {

/// The strong view: ColorJitter, grayscale, blur and cutout, as Pillow and torchvision (on Pillow
/// images) compute them.
struct StrongAugment {
  enum Step : uint8_t { kBrightness, kContrast, kSaturation, kHue };

  bool jitter = false;                                 // p 0.8
  float brightness = 1, contrast = 1, saturation = 1;  // factors, U(½, 1½)
  double hue = 0;                                      // of a full turn, U(−¼, ¼)
  std::array<Step, 4> order = {kBrightness, kContrast, kSaturation, kHue};
  bool grey = false;  // p 0.2
  bool blur = false;  // p 0.5
  float sigma = 0;    // pixels, U(0.1, 2)
  Rect cutout;  // painted 0; its width is U(0.1, 0.5) of the crop's height, its height of its width

  static StrongAugment draw(Random& random, int64_t height, int64_t width);
};

/// Computes both views of a training crop: `weak` is the jittered crop; `strong`, if `augment` is
/// given, is that crop augmented. Both have the crop's size.
void make_views(const Image& crop, const SsdJitter& jitter, const StrongAugment* augment,
                const Planes& weak, const Planes& strong, BlurScratch& scratch);

/// The single steps, in place; they equal ImageEnhance, torchvision's adjust_hue and convert("L").
void adjust_brightness(Image& image, float factor);
void adjust_contrast(Image& image, float factor);
void adjust_saturation(Image& image, float factor);
void adjust_hue(Image& image, double turn);
void make_grey(Image& image);
void paint(Image& image, const Rect& rect, uint8_t value);

}  // namespace pixelclip
