#include "image/opencv_resize.hpp"

#include <opencv2/imgproc.hpp>

namespace pixelclip {
namespace {

/// A view of `data`, which OpenCV takes without const.
template <typename T>
cv::Mat view(const T* data, int64_t height, int64_t width, int type) {
  return {static_cast<int>(height), static_cast<int>(width), type, const_cast<T*>(data)};
}

cv::Size size_of(int64_t height, int64_t width) {
  return {static_cast<int>(width), static_cast<int>(height)};
}

}  // namespace

Image resize_linear(const Image& image, int64_t height, int64_t width) {
  Image resized(height, width, image.channels);
  const int type = CV_8UC(static_cast<int>(image.channels));
  cv::Mat out = view(resized.pixels.data(), height, width, type);
  cv::resize(view(image.pixels.data(), image.height, image.width, type), out,
             size_of(height, width), 0, 0, cv::INTER_LINEAR);
  return resized;
}

LabelMap resize_nearest(const LabelMap& labels, int64_t height, int64_t width) {
  LabelMap resized{height, width, std::vector<int32_t>(static_cast<size_t>(height * width))};
  cv::Mat out = view(resized.ids.data(), height, width, CV_32SC1);
  cv::resize(view(labels.ids.data(), labels.height, labels.width, CV_32SC1), out,
             size_of(height, width), 0, 0, cv::INTER_NEAREST);
  return resized;
}

}  // namespace pixelclip
