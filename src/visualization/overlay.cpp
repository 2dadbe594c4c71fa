#include "visualization/overlay.hpp"

#include <algorithm>
#include <cstdio>
#include <opencv2/imgproc.hpp>

#include "base/error.hpp"
#include "visualization/drawing.hpp"

namespace pixelclip {
namespace {
using namespace drawing;

/// Labels that occur, the largest first, with their share in percent.
std::vector<Legend::Entry> shares(const LabelMap& labels, const std::vector<std::string>& names,
                                  const std::vector<Color>& palette) {
  std::vector<int64_t> areas(names.size());
  for (const int32_t id : labels.ids) {
    if (id >= 0 && static_cast<size_t>(id) < areas.size()) ++areas[id];
  }
  std::vector<size_t> order;
  for (size_t id = 0; id < areas.size(); ++id) {
    if (areas[id] > 0) order.push_back(id);
  }
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return areas[a] > areas[b]; });
  std::vector<Legend::Entry> entries;
  for (const size_t id : order) {
    const double percent =
        100.0 * static_cast<double>(areas[id]) / static_cast<double>(labels.ids.size());
    char share[16];
    std::snprintf(share, sizeof share, percent < 1 ? "  <1 %%" : "  %.0f %%", percent);
    entries.push_back({palette[id % palette.size()], drawable(names[id], id) + share});
  }
  return entries;
}

}  // namespace

Image overlay_page(const Image& rgb, const LabelMap& labels, const std::vector<std::string>& names,
                   const std::vector<Color>& palette, int64_t max_side) {
  constexpr int kMinWidth = 480;
  const auto longest = static_cast<double>(std::max(rgb.height, rgb.width));
  const double scale =
      std::min(std::max(1.0, kMinWidth / longest), static_cast<double>(max_side) / longest);
  const cv::Size size(std::max(1, cvRound(scale * rgb.width)),
                      std::max(1, cvRound(scale * rgb.height)));
  const cv::Mat source(static_cast<int>(rgb.height), static_cast<int>(rgb.width), CV_8UC3,
                       const_cast<uint8_t*>(rgb.pixels.data()));
  cv::Mat image;
  cv::resize(source, image, size, 0, 0, scale > 1 ? cv::INTER_CUBIC : cv::INTER_AREA);
  lay_over(image,
           enlarged_labels(labels.ids.data(), static_cast<int>(labels.height),
                           static_cast<int>(labels.width), size),
           palette);
  const Lettering letters(15);
  const int width = std::max(size.width, kMinWidth);
  const Legend legend(shares(labels, names, palette), letters, width - 2 * kGap);
  cv::Mat page(size.height + legend.height() + 2 * kGap, width, CV_8UC3, kPaper);
  image.copyTo(page(cv::Rect(0, 0, size.width, size.height)));
  legend.draw(page, {kGap, size.height + kGap});
  return to_image(page);
}

std::string to_hex(const Color& color) {
  char text[8];
  std::snprintf(text, sizeof text, "#%02x%02x%02x", color.red, color.green, color.blue);
  return text;
}

}  // namespace pixelclip
