#pragma once

#include <opencv2/core.hpp>
#include <string>
#include <vector>

#include "image/image.hpp"
#include "visualization/sheet.hpp"

/// What pages for people are made of; pages are RGB.
namespace pixelclip::drawing {

constexpr int kGap = 12;
inline const cv::Scalar kPaper(255, 255, 255), kInk(40, 40, 40);

/// Text with its left end and vertical middle at `at`. OpenCV's letters are lines: drawn four times
/// as large and shrunk they look like print.
class Lettering {
 public:
  explicit Lettering(double pixels) : scale_(pixels / 22.0) {}

  int width(const std::string& text) const;
  void draw(cv::Mat& page, const std::string& text, cv::Point at) const;

 private:
  double scale_;
};

/// A class name in OpenCV's letters, which are ASCII's: without accents, cut when very long, and
/// the class's number in its place where that is not enough.
std::string drawable(const std::string& name, size_t id);

/// Colors the labelled pixels half, so that the image's texture shows, and draws a white line
/// where two labels meet.
void lay_over(cv::Mat& image, const cv::Mat& labels, const std::vector<Color>& palette);
/// Labels -1 and 255 are no classes, unless there are as many as that.
bool is_label(int32_t id, const std::vector<Color>& palette);
/// [height, width] ids as CV_32S, the nearest one for each pixel of `size`.
cv::Mat enlarged_labels(const int32_t* ids, int height, int width, cv::Size size);

/// Swatches with names in as many columns as fit.
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
