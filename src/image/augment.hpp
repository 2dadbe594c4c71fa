#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "base/random.hpp"
#include "image/image.hpp"
#include "image/planes.hpp"

/// Colour augmentation of RGB crops, in place. What is drawn and what is computed are apart: draw()
/// fills a struct, apply() is a pure function of it.
namespace pixelclip {

/// MaskFormer's ColorAugSSDTransform (SSD's photometric distortion; hue in OpenCV's 8-bit HSV).
struct SsdJitter {
  bool brightness = false, contrast = false, saturation = false, hue = false;
  /// Contrast before the HSV pair, or after it.
  bool contrast_first = true;
  float brightness_delta = 0;                        // U(−32, 32)
  float contrast_factor = 1, saturation_factor = 1;  // U(½, 1½)
  int hue_delta = 0;                                 // integer in [−18, 18], of 180

  static SsdJitter draw(Random& random);
};
void apply(const SsdJitter& jitter, Image& image);

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
/// Keeps its working memory from call to call; one for each thread.
struct AugmentScratch {
  std::vector<uint8_t> lines, rings;
  std::vector<const uint8_t*> sources;
};

/// The two views of a training crop in few passes: `weak` gets the jittered crop, `strong`, when
/// `augment` is given, that crop augmented. Both views are of the crop's size.
void make_views(const Image& crop, const SsdJitter& jitter, const StrongAugment* augment,
                const Planes& weak, const Planes& strong, AugmentScratch& scratch);

/// The single steps; each equals ImageEnhance, torchvision's adjust_hue, convert("L") or
/// ImageFilter.GaussianBlur.
void adjust_brightness(Image& image, float factor);
void adjust_contrast(Image& image, float factor);
void adjust_saturation(Image& image, float factor);
void adjust_hue(Image& image, double turn);
void make_grey(Image& image);
void gaussian_blur(Image& image, float sigma, AugmentScratch& scratch);
void paint(Image& image, const Rect& rect, uint8_t value);

}  // namespace pixelclip
