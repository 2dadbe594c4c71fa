#pragma once

#include <opencv2/core.hpp>
#include <string>
#include <vector>

#include "image/image.hpp"
#include "visualization/sheet.hpp"

/// Drawing primitives for result pages, which are RGB.
namespace pixelclip::drawing {

constexpr int kGap = 12;
inline const cv::Scalar kPaper(255, 255, 255), kInk(40, 40, 40);

/// Draws text with its left end and vertical center at `at`. OpenCV's fonts are line drawings;
/// rendering at four times the size and shrinking smooths them.
class Lettering {
 public:
  explicit Lettering(double pixels) : scale_(pixels / 22.0) {}

  int width(const std::string& text) const;
  void draw(cv::Mat& page, const std::string& text, cv::Point at) const;

 private:
  double scale_;
};

/// A class name in ASCII, which OpenCV's fonts support: accents are removed, long names truncated,
/// and names without ASCII letters replaced by the class number.
std::string drawable(const std::string& name, size_t id);

/// Blends label colors over the image, so that its texture stays visible, and draws a white line
/// between labels.
void lay_over(cv::Mat& image, const cv::Mat& labels, const std::vector<Color>& palette);
/// Whether a label is a class; -1 is not, nor is 255 unless there are more than 255 colors.
bool is_label(int32_t id, const std::vector<Color>& palette);
/// Resizes [height, width] ids to `size` by nearest neighbor, as CV_32S.
cv::Mat enlarged_labels(const int32_t* ids, int height, int width, cv::Size size);

/// A legend of color swatches with names, in as many columns as fit.
class Legend {
 public:
  struct Entry {
    Color color;
    std::string name;
  };
  Legend(std::vector<Entry> entries, const Lettering& letters, int width);

  int height() const;
  void draw(cv::Mat& page, cv::Point corner) const;

 private:
  std::vector<Entry> entries_;
  const Lettering& letters_;
  int step_ = 1, columns_ = 1;
};

Image to_image(const cv::Mat& page);

}  // namespace pixelclip::drawing
