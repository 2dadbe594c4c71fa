#include "visualization/drawing.hpp"

#include <algorithm>
#include <opencv2/imgproc.hpp>

#include "base/error.hpp"
#include "text/clean.hpp"

namespace pixelclip::drawing {
namespace {

constexpr int kFont = cv::FONT_HERSHEY_DUPLEX, kZoom = 4, kThickness = 4;
constexpr int kLegendLine = 30, kSwatch = 18;

}  // namespace

int Lettering::width(const std::string& text) const {
  int baseline = 0;
  return cv::getTextSize(text, kFont, scale_, 1, &baseline).width;
}

void Lettering::draw(cv::Mat& page, const std::string& text, cv::Point at) const {
  if (text.empty()) return;
  int baseline = 0;
  const cv::Size size = cv::getTextSize(text, kFont, kZoom * scale_, kThickness, &baseline);
  cv::Mat large(size.height + 4 * kZoom * 3, size.width + 2 * kZoom, CV_8UC1, cv::Scalar(0));
  cv::putText(large, text, {kZoom, size.height + 2 * kZoom}, kFont, kZoom * scale_, cv::Scalar(255),
              kThickness, cv::LINE_AA);
  cv::Mat small;
  cv::resize(large, small, {}, 1.0 / kZoom, 1.0 / kZoom, cv::INTER_AREA);
  const cv::Rect wanted(at.x, at.y - size.height / (2 * kZoom) - 2, small.cols, small.rows);
  const cv::Rect seen = wanted & cv::Rect(0, 0, page.cols, page.rows);
  if (seen.empty()) return;
  cv::Mat target = page(seen), alpha;
  cv::cvtColor(small(seen - wanted.tl()), alpha, cv::COLOR_GRAY2RGB);
  const cv::Mat colored(target.size(), CV_8UC3, kInk);
  cv::Mat inverse = cv::Scalar(255, 255, 255) - alpha;
  target = target.mul(inverse, 1.0 / 255) + colored.mul(alpha, 1.0 / 255);
}

std::string drawable(const std::string& name, size_t id) {
  constexpr size_t kMaxLength = 40;
  const std::string text = ascii_letters(name);
  if (text.empty()) return str("no. ", id + 1);
  return text.size() > kMaxLength ? text.substr(0, kMaxLength - 3) + "..." : text;
}

bool is_label(int32_t id, const std::vector<Color>& palette) {
  return id >= 0 && (id != 255 || palette.size() > 255);
}

cv::Mat enlarged_labels(const int32_t* ids, int height, int width, cv::Size size) {
  cv::Mat out(size, CV_32SC1);
  for (int64_t y = 0; y < size.height; ++y) {
    const int32_t* row = ids + y * height / size.height * width;
    int32_t* to = out.ptr<int32_t>(static_cast<int>(y));
    for (int64_t x = 0; x < size.width; ++x) to[x] = row[x * width / size.width];
  }
  return out;
}

void lay_over(cv::Mat& image, const cv::Mat& labels, const std::vector<Color>& palette) {
  constexpr double kShare = 0.6;
  cv::Mat grey;
  cv::cvtColor(image, grey, cv::COLOR_RGB2GRAY);
  for (int y = 0; y < image.rows; ++y) {
    for (int x = 0; x < image.cols; ++x) {
      const int32_t id = labels.at<int32_t>(y, x);
      const bool edge = (x + 1 < image.cols && labels.at<int32_t>(y, x + 1) != id) ||
                        (y + 1 < image.rows && labels.at<int32_t>(y + 1, x) != id);
      auto& pixel = image.at<cv::Vec3b>(y, x);
      if (edge) {
        pixel = {255, 255, 255};
      } else if (is_label(id, palette)) {
        const Color& color = palette[static_cast<size_t>(id) % palette.size()];
        const double light = (1 - kShare) * grey.at<uint8_t>(y, x);
        pixel = {cv::saturate_cast<uint8_t>(kShare * color.red + light),
                 cv::saturate_cast<uint8_t>(kShare * color.green + light),
                 cv::saturate_cast<uint8_t>(kShare * color.blue + light)};
      }
    }
  }
}

Legend::Legend(std::vector<Entry> entries, const Lettering& letters, int width)
    : entries_(std::move(entries)), letters_(letters) {
  int widest = 0;
  for (const Entry& entry : entries_) widest = std::max(widest, letters_.width(entry.name));
  step_ = kSwatch + 8 + widest + 20;
  columns_ = std::max(1, width / step_);
}

int Legend::height() const {
  return (static_cast<int>(entries_.size()) + columns_ - 1) / columns_ * kLegendLine;
}

void Legend::draw(cv::Mat& page, cv::Point corner) const {
  for (size_t i = 0; i < entries_.size(); ++i) {
    const int place = static_cast<int>(i);
    const cv::Point at = corner + cv::Point(place % columns_ * step_,
                                            place / columns_ * kLegendLine + kLegendLine / 2);
    const auto& [red, green, blue] = entries_[i].color;
    cv::rectangle(page, cv::Rect(at.x, at.y - kSwatch / 2, kSwatch, kSwatch),
                  cv::Scalar(red, green, blue), cv::FILLED);
    letters_.draw(page, entries_[i].name, at + cv::Point(kSwatch + 8, 0));
  }
}

Image to_image(const cv::Mat& page) {
  Image image(page.rows, page.cols, 3);
  for (int y = 0; y < page.rows; ++y) std::copy_n(page.ptr(y), image.stride(), image.row(y));
  return image;
}

}  // namespace pixelclip::drawing
