#include "image/formats.hpp"

#include <algorithm>
#include <atomic>

#include "base/error.hpp"
#include "base/log.hpp"

namespace pixelclip::formats {

void check_size(int64_t height, int64_t width, const std::string& name, int64_t max_pixels) {
  if (height <= 0 || width <= 0) {
    fail_in(name, "the image is empty (", height, " x ", width, ")");
  }
  if (height > max_pixels / width) {
    fail_in(ErrorKind::too_large, name, "the image claims ", height, " x ", width,
            " pixels, more than the ", max_pixels,
            " that are read; a damaged or malicious file, or make it smaller");
  }
}

void remark(const DecodeOptions& options, const std::string& text) {
  if (options.remarks) {
    options.remarks->push_back(text);
    return;
  }
  constexpr int kNamed = 3;
  static std::atomic<int> count{0};
  const int before = count.fetch_add(1);
  if (before < kNamed) log::warn(text);
  if (before == kNamed) log::warn("more such images are not named; `pixelclip doctor` counts them");
}

void remark_dark_16_bits(const Image& rgb, const std::string& name, const DecodeOptions& options) {
  constexpr int kFew = 64;  // of 256: less than 15 of 16 bits are used
  if (rgb.pixels.empty()) return;
  const int most = *std::max_element(rgb.pixels.begin(), rgb.pixels.end());
  if (most >= kFew) return;
  int bits = 8;
  while (bits < 14 && most >> (bits - 8) > 0) ++bits;
  remark(options, str(name, ": of its 16 bits only the lower ", bits, most == 0 ? " or fewer" : "",
                      " are used, so that it is nearly black; stretch its values to 0 … 65535"));
}

}  // namespace pixelclip::formats
