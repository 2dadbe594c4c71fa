#include "image/bmp.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdlib>

#include "base/error.hpp"
#include "image/raster.hpp"

/// Windows and OS/2 bitmaps: palettes with run lengths or without, 16, 24 and 32 bits.
namespace pixelclip::formats {
namespace {

enum Compression : uint32_t { kPlain = 0, kRle8 = 1, kRle4 = 2, kMasks = 3 };

class Bitmap {
 public:
  Bitmap(Bytes bytes, const std::string& name, int64_t max_pixels) : bytes_(bytes), name_(name) {
    read_header();
    check_size(height_, width_, name, max_pixels);
    if (bits_ <= 8) read_palette();
  }

  bool has_palette() const { return bits_ <= 8; }
  bool palette_is_grey() const {
    return std::all_of(palette_.begin(), palette_.end(),
                       [](const Color& c) { return c[0] == c[1] && c[1] == c[2]; });
  }
  uint8_t grey(uint8_t index) const { return palette_[index][0]; }

  Raster<uint8_t> indices() const {
    Raster<uint8_t> out(height_, width_, 1);
    if (compression_ != kPlain) {
      read_runs(out);
      return out;
    }
    for (int64_t y = 0; y < height_; ++y) {
      const uint8_t* row = stored_row(y);
      for (int64_t x = 0; x < width_; ++x) {
        const int64_t bit = x * bits_;
        out.row(y)[x] = row[bit / 8] >> (8 - bits_ - bit % 8) & ((1 << bits_) - 1);
      }
    }
    return out;
  }

  Image rgb() const {
    Image out(height_, width_, 3);
    if (has_palette()) {
      const Raster<uint8_t> found = indices();
      for (size_t i = 0; i < found.samples.size(); ++i) {
        std::copy_n(palette_[found.samples[i]].begin(), 3, out.pixels.begin() + 3 * i);
      }
      return out;
    }
    std::array<uint32_t, 3> masks = {0xFF0000, 0xFF00, 0xFF};
    if (bits_ == 16) masks = {0x7C00, 0x3E0, 0x1F};
    if (compression_ == kMasks) {
      constexpr size_t kAt = 14 + 40;
      for (size_t c = 0; c < 3; ++c) masks[c] = number(kAt + 4 * c, 4);
    }
    const int64_t size = bits_ / 8;
    for (int64_t y = 0; y < height_; ++y) {
      const uint8_t* in = stored_row(y);
      uint8_t* pixel = out.row(y);
      for (int64_t x = 0; x < width_; ++x, in += size) {
        uint32_t value = 0;
        for (int64_t i = size - 1; i >= 0; --i) value = value << 8 | in[i];
        for (const uint32_t mask : masks) *pixel++ = channel(value, mask);
      }
    }
    return out;
  }

 private:
  using Color = std::array<uint8_t, 3>;  // red, green, blue

  uint32_t number(size_t at, size_t count) const {
    if (at > bytes_.size() || bytes_.size() - at < count) fail_cut();
    uint32_t value = 0;
    for (size_t i = count; i-- > 0;) value = value << 8 | bytes_[at + i];
    return value;
  }

  [[noreturn]] void fail_cut() const {
    fail_in(name_, "not a readable image (the BMP file is damaged or cut short)");
  }

  void read_header() {
    start_ = number(10, 4);
    header_ = number(14, 4);
    if (header_ == 12) {  // OS/2
      width_ = number(18, 2), height_ = static_cast<int16_t>(number(20, 2)), bits_ = number(24, 2);
    } else if (header_ >= 36) {
      width_ = static_cast<int32_t>(number(18, 4)), height_ = static_cast<int32_t>(number(22, 4));
      bits_ = number(28, 2), compression_ = number(30, 4), colors_ = number(46, 4);
    } else {
      fail_cut();
    }
    from_below_ = height_ > 0;
    height_ = std::abs(height_);
    const bool palette = bits_ == 1 || bits_ == 4 || bits_ == 8;
    const bool known =
        (compression_ == kPlain && (palette || bits_ == 24)) ||
        (header_ > 12 && (compression_ == kPlain || compression_ == kMasks) && bits_ == 16) ||
        ((compression_ == kPlain || compression_ == kMasks) && bits_ == 32) ||
        (compression_ == kRle8 && bits_ == 8) || (compression_ == kRle4 && bits_ == 4);
    if (!known) {
      fail_in(name_, "a BMP file of ", bits_, " bits a pixel and compression ", compression_,
              ", which is not read");
    }
  }

  void read_palette() {
    const size_t entry = header_ == 12 ? 3 : 4, most = size_t{1} << bits_;
    if (colors_ > 256) fail_cut();
    const size_t count = colors_ == 0 ? most : colors_;
    for (size_t i = 0; i < count; ++i) {
      const uint32_t color = number(14 + header_ + entry * i, 3);
      if (i < most) palette_[i] = {uint8_t(color >> 16), uint8_t(color >> 8), uint8_t(color)};
    }
  }

  const uint8_t* stored_row(int64_t y) const {
    const int64_t stride = (width_ * bits_ + 31) / 32 * 4;
    const auto size = static_cast<int64_t>(bytes_.size());
    if (start_ > size || height_ > (size - start_) / stride) fail_cut();
    return bytes_.data() + start_ + stride * (from_below_ ? height_ - 1 - y : y);
  }

  /// Pixels that the runs leave out keep index 0.
  void read_runs(Raster<uint8_t>& out) const {
    enum : uint32_t { kEndOfLine = 0, kEndOfImage = 1, kMove = 2 };
    size_t at = start_;
    int64_t x = 0, y = 0;
    const auto put = [&](uint32_t index) {
      if (x >= width_ || y >= height_) fail_cut();
      out.row(from_below_ ? height_ - 1 - y : y)[x++] = static_cast<uint8_t>(index);
    };
    while (y < height_) {
      const uint32_t count = number(at, 1), value = number(at + 1, 1);
      at += 2;
      if (count > 0) {
        for (uint32_t i = 0; i < count; ++i) {
          put(bits_ == 8 ? value : i % 2 ? value & 15 : value >> 4);
        }
      } else if (value == kEndOfImage) {
        return;
      } else if (value == kEndOfLine) {
        x = 0, ++y;
      } else if (value == kMove) {
        x += number(at, 1), y += number(at + 1, 1);
        at += 2;
      } else {
        for (uint32_t i = 0; i < value; ++i) {
          const uint32_t byte = number(at + (bits_ == 8 ? i : i / 2), 1);
          put(bits_ == 8 ? byte : i % 2 ? byte & 15 : byte >> 4);
        }
        const size_t size = bits_ == 8 ? value : (value + 1) / 2;
        at += size + size % 2;
      }
    }
  }

  static uint8_t channel(uint32_t value, uint32_t mask) {
    if (mask == 0) return 0;
    const uint32_t level = (value & mask) >> std::countr_zero(mask);
    const int width = std::popcount(mask);
    return static_cast<uint8_t>(width > 8 ? level >> (width - 8) : level << (8 - width));
  }

  Bytes bytes_;
  const std::string& name_;
  int64_t height_ = 0, width_ = 0, start_ = 0;
  size_t header_ = 0;
  uint32_t bits_ = 0, compression_ = kPlain, colors_ = 0;
  bool from_below_ = true;
  std::array<Color, 256> palette_ = {};
};

}  // namespace

Image decode_bmp(Bytes bytes, const std::string& name, const DecodeOptions& options) {
  return Bitmap(bytes, name, options.max_pixels).rgb();
}

LabelMap decode_bmp_labels(Bytes bytes, const std::string& name) {
  const Bitmap bitmap(bytes, name, DecodeOptions().max_pixels);
  if (!bitmap.has_palette()) fail_not_ids(name);
  LabelMap labels = to_labels(bitmap.indices());
  if (bitmap.palette_is_grey()) {
    for (int32_t& id : labels.ids) id = bitmap.grey(static_cast<uint8_t>(id));
  }
  return labels;
}

}  // namespace pixelclip::formats
