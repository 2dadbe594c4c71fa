#include "image/pnm.hpp"

#include <algorithm>
#include <limits>

#include "base/error.hpp"
#include "image/raster.hpp"

/// Netpbm's files: bits (P1, P4), grey (P2, P5) and color (P3, P6), as text or binary.
namespace pixelclip::formats {
namespace {

struct Netpbm {
  Raster<uint16_t> raster;
  bool bits = false, text = false;
  uint32_t most = 1;  ///< The value that stands for white.
};

class Reader {
 public:
  Reader(Bytes bytes, const std::string& name) : bytes_(bytes), name_(name) {}

  Netpbm read(int64_t max_pixels) {
    const int kind = bytes_[1] - '0';
    Netpbm file;
    file.bits = kind == 1 || kind == 4;
    file.text = kind <= 3;
    at_ = 2;
    const int64_t width = number(), height = number();
    if (!file.bits) file.most = number();
    check_size(height, width, name_, max_pixels);
    if (file.most < 1 || file.most > 65535) {
      fail_in(name_, "its largest value is ", file.most, "; 1 to 65535 was expected");
    }
    ++at_;  // the one white space before binary samples
    const int64_t bands = kind % 3 == 0 ? 3 : 1;
    // Before memory is taken: a sample takes a byte of text, or its share of binary bytes.
    const int64_t row = file.bits && !file.text
                            ? (width + 7) / 8
                            : width * bands * (file.text || file.most < 256 ? 1 : 2);
    if (at_ > bytes_.size() || height > int64_t(bytes_.size() - at_ + file.text) / row) fail_cut();
    file.raster = {height, width, bands};
    for (int64_t y = 0; y < height; ++y) {
      uint16_t* out = file.raster.row(y);
      if (file.text) {
        for (int64_t i = 0; i < width * bands; ++i) {
          out[i] = static_cast<uint16_t>(std::min(number(file.bits ? 1 : 10), file.most));
        }
        continue;
      }
      const uint8_t* in = bytes_.data() + at_ + y * row;
      for (int64_t i = 0; i < width * bands; ++i) {
        out[i] = file.bits         ? in[i / 8] >> (7 - i % 8) & 1
                 : file.most < 256 ? in[i]
                                   : static_cast<uint16_t>(in[2 * i] << 8 | in[2 * i + 1]);
      }
    }
    return file;
  }

 private:
  [[noreturn]] void fail_cut() const {
    fail_in(name_, "not a readable image (the PNM file is damaged or cut short)");
  }

  int next() {
    if (at_ >= bytes_.size()) fail_cut();
    return bytes_[at_];
  }

  /// The next number, after white space and comments.
  uint32_t number(int digits = 10) {
    const auto is_digit = [](int c) { return c >= '0' && c <= '9'; };
    const auto is_space = [](int c) { return c == ' ' || (c >= '\t' && c <= '\r'); };
    while (!is_digit(next())) {
      if (next() == '#') {
        while (next() != '\n' && next() != '\r') ++at_;
      } else if (!is_space(next())) {
        fail_cut();
      }
      ++at_;
    }
    uint64_t value = 0;
    for (; digits > 0 && at_ < bytes_.size() && is_digit(bytes_[at_]); --digits, ++at_) {
      value = value * 10 + (bytes_[at_] - '0');
    }
    if (value > std::numeric_limits<int32_t>::max()) fail_cut();
    return static_cast<uint32_t>(value);
  }

  Bytes bytes_;
  const std::string& name_;
  size_t at_ = 0;
};

}  // namespace

Image decode_pnm(Bytes bytes, const std::string& name, const DecodeOptions& options) {
  const Netpbm file = Reader(bytes, name).read(options.max_pixels);
  return to_rgb(file.raster, [&](uint32_t sample) -> uint8_t {
    if (file.bits) return sample ? 0 : 255;
    if (file.most > 255) return static_cast<uint8_t>(sample >> 8);
    return static_cast<uint8_t>(file.text ? sample * 255 / file.most : sample);
  });
}

LabelMap decode_pnm_labels(Bytes bytes, const std::string& name) {
  const Netpbm file = Reader(bytes, name).read(DecodeOptions().max_pixels);
  if (file.raster.bands != 1) fail_not_ids(name);
  LabelMap labels = to_labels(file.raster);
  if (file.bits) {
    for (int32_t& id : labels.ids) id = id ? 0 : 255;
  }
  return labels;
}

}  // namespace pixelclip::formats
