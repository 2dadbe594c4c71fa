#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "base/random.hpp"
#include "image/blur.hpp"
#include "image/image.hpp"
#include "image/planes.hpp"
#include "image/ssd_jitter.hpp"

/// Color augmentation of RGB crops, in place. What is drawn and what is computed are apart: draw()
/// fills a struct, apply() is a pure function of it.
namespace pixelclip {

/// The strong view: ColorJitter, grey, blur and cut-out, each as Pillow and torchvision (on Pillow
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

/// The two views of a training crop in few passes: `weak` gets the jittered crop, `strong`, when
/// `augment` is given, that crop augmented. Both views are of the crop's size.
void make_views(const Image& crop, const SsdJitter& jitter, const StrongAugment* augment,
                const Planes& weak, const Planes& strong, BlurScratch& scratch);

/// The single steps; each equals ImageEnhance, torchvision's adjust_hue, convert("L") or
/// ImageFilter.GaussianBlur.
void adjust_brightness(Image& image, float factor);
void adjust_contrast(Image& image, float factor);
void adjust_saturation(Image& image, float factor);
void adjust_hue(Image& image, double turn);
void make_grey(Image& image);
void paint(Image& image, const Rect& rect, uint8_t value);

}  // namespace pixelclip
