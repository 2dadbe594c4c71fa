#include "image/tiff.hpp"

#include <tiffio.h>

#include <algorithm>
#include <cmath>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <memory>

#include "base/error.hpp"
#include "image/raster.hpp"

namespace pixelclip::formats {
namespace {

constexpr int64_t kMostMemory = int64_t{4} << 30;  // bytes, of one block

/// A TIFF file in memory. Its orientation is ignored: the caller turns the image.
class Tiff {
 public:
  Tiff(Bytes bytes, const std::string& name, int64_t max_pixels) : bytes_(bytes), name_(name) {
    open();
    const auto number = [&](uint32_t tag) {
      uint32_t value = 0;
      TIFFGetField(file_.get(), tag, &value);
      return value;
    };
    const auto small = [&](uint32_t tag, uint16_t otherwise) {
      uint16_t value = otherwise;
      TIFFGetFieldDefaulted(file_.get(), tag, &value);
      return value;
    };
    height_ = number(TIFFTAG_IMAGELENGTH), width_ = number(TIFFTAG_IMAGEWIDTH);
    check_size(height_, width_, name, max_pixels);
    bits_ = small(TIFFTAG_BITSPERSAMPLE, 1), bands_ = small(TIFFTAG_SAMPLESPERPIXEL, 1);
    photometric_ = small(TIFFTAG_PHOTOMETRIC, PHOTOMETRIC_MINISBLACK);
    if (bands_ > 4) {
      fail_in(name, "a TIFF image of ", bands_,
              " bands; 1, 3 or 4 are read (write red, green and blue to a file of their own)");
    }
    format_ = small(TIFFTAG_SAMPLEFORMAT, SAMPLEFORMAT_UINT);
    planar_ = small(TIFFTAG_PLANARCONFIG, PLANARCONFIG_CONTIG) == PLANARCONFIG_SEPARATE;
  }
  Tiff(const Tiff&) = delete;
  Tiff& operator=(const Tiff&) = delete;

  bool has_ids() const {
    return bands_ <= 2 && !has_fractions() && photometric_ != PHOTOMETRIC_LOGL;
  }
  bool has_fractions() const { return format_ == SAMPLEFORMAT_IEEEFP; }
  bool is_signed() const { return format_ == SAMPLEFORMAT_INT; }
  bool is_inverted() const { return photometric_ == PHOTOMETRIC_MINISWHITE; }
  bool has_palette() const { return photometric_ == PHOTOMETRIC_PALETTE; }
  uint32_t bits() const { return bits_; }

  /// Eight bits a channel, whatever the file holds: libtiff looks up palettes and converts YCbCr,
  /// CMYK and so on.
  Image rgb() const {
    std::vector<uint32_t> pixels(static_cast<size_t>(height_ * width_));
    if (!TIFFReadRGBAImageOriented(file_.get(), static_cast<uint32_t>(width_),
                                   static_cast<uint32_t>(height_), pixels.data(),
                                   ORIENTATION_TOPLEFT, /*stop_on_error=*/1)) {
      fail_unreadable();
    }
    Image image(height_, width_, 3);
    for (size_t i = 0; i < pixels.size(); ++i) {
      image.pixels[3 * i] = TIFFGetR(pixels[i]);
      image.pixels[3 * i + 1] = TIFFGetG(pixels[i]);
      image.pixels[3 * i + 2] = TIFFGetB(pixels[i]);
    }
    return image;
  }

  /// The samples as stored, in 1, 2, 4 or 8 bytes each. `T` has that size, or is larger where the
  /// file packs 2 to 15 bits.
  template <typename T>
  Raster<T> samples() const {
    const bool tiled = TIFFIsTiled(file_.get()) != 0;
    const int64_t planes = planar_ ? bands_ : 1, bands = planar_ ? 1 : bands_;
    const int64_t bytes = tiled ? TIFFTileSize64(file_.get()) : TIFFStripSize64(file_.get());
    int64_t block_height = height_, block_width = width_;
    const auto size_of = [&](uint32_t tag, int64_t& size) {
      uint32_t value = 0;
      if (TIFFGetFieldDefaulted(file_.get(), tag, &value) && value > 0)
        size = tiled ? value : std::min<int64_t>(value, size);
    };
    size_of(tiled ? TIFFTAG_TILELENGTH : TIFFTAG_ROWSPERSTRIP, block_height);
    if (tiled) size_of(TIFFTAG_TILEWIDTH, block_width);
    const int64_t stride = (block_width * bands * bits_ + 7) / 8;
    if (bytes <= 0 || bytes > kMostMemory || stride * block_height > bytes) fail_unreadable();
    Raster<T> out(height_, width_, bands_);
    std::vector<uint8_t> block(static_cast<size_t>(bytes));
    uint32_t index = 0;
    for (int64_t plane = 0; plane < planes; ++plane) {
      for (int64_t y = 0; y < height_; y += block_height) {
        for (int64_t x = 0; x < width_; x += block_width, ++index) {
          const int64_t rows = std::min(block_height, height_ - y);
          const tmsize_t wanted = tiled ? bytes : stride * rows;
          const tmsize_t got = tiled
                                   ? TIFFReadEncodedTile(file_.get(), index, block.data(), wanted)
                                   : TIFFReadEncodedStrip(file_.get(), index, block.data(), wanted);
          if (got < wanted) fail_unreadable();
          const int64_t columns = std::min(block_width, width_ - x);
          for (int64_t row = 0; row < rows; ++row) {
            T* to = out.row(y + row) + x * bands_ + plane;
            unpack(block.data() + row * stride, columns * bands, planar_ ? bands_ : 1, to);
          }
        }
      }
    }
    return out;
  }

  [[noreturn]] void fail_unreadable() const {
    fail_in(name_, "not a readable image (", fault_.empty() ? "the TIFF file is damaged" : fault_,
            ")");
  }

 private:
  static tmsize_t read(thandle_t self, void* to, tmsize_t wanted) {
    auto& file = *static_cast<Tiff*>(self);
    const uint64_t size = file.bytes_.size();
    const uint64_t left = file.at_ < size ? size - file.at_ : 0;
    const auto count = std::min<uint64_t>(left, static_cast<uint64_t>(wanted));
    std::memcpy(to, file.bytes_.data() + (size - left), count);
    file.at_ += count;
    return static_cast<tmsize_t>(count);
  }
  static tmsize_t write(thandle_t, void*, tmsize_t) { return 0; }
  static toff_t seek(thandle_t self, toff_t offset, int whence) {
    auto& file = *static_cast<Tiff*>(self);
    const toff_t from = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? file.at_ : file.bytes_.size();
    return file.at_ = from + offset;
  }
  static int close(thandle_t) { return 0; }
  static toff_t size(thandle_t self) { return static_cast<Tiff*>(self)->bytes_.size(); }
  static int map(thandle_t self, void** base, toff_t* size) {
    auto& file = *static_cast<Tiff*>(self);
    *base = const_cast<uint8_t*>(file.bytes_.data());
    *size = file.bytes_.size();
    return 1;
  }
  static void unmap(thandle_t, void*, toff_t) {}
  /// Keeps the first error's text.
  static int note(TIFF*, void* self, const char*, const char* format, va_list arguments) {
    auto& file = *static_cast<Tiff*>(self);
    char text[256];
    std::vsnprintf(text, sizeof text, format, arguments);
    if (file.fault_.empty()) file.fault_ = printable(text);
    return 1;
  }
  static int pass_over(TIFF*, void*, const char*, const char*, va_list) { return 1; }

  void open() {
    const std::unique_ptr<TIFFOpenOptions, decltype(&TIFFOpenOptionsFree)> options(
        TIFFOpenOptionsAlloc(), TIFFOpenOptionsFree);
    TIFFOpenOptionsSetErrorHandlerExtR(options.get(), note, this);
    TIFFOpenOptionsSetWarningHandlerExtR(options.get(), pass_over, nullptr);
    TIFFOpenOptionsSetMaxSingleMemAlloc(options.get(), kMostMemory);
    file_.reset(TIFFClientOpenExt(name_.c_str(), "r", this, read, write, seek, close, size, map,
                                  unmap, options.get()));
    if (!file_) fail_unreadable();
    TIFFSetField(file_.get(), TIFFTAG_ORIENTATION, ORIENTATION_TOPLEFT);
  }

  template <typename T>
  void unpack(const uint8_t* in, int64_t count, int64_t step, T* to) const {
    if (bits_ == 8 * sizeof(T)) {
      for (int64_t i = 0; i < count; ++i) std::memcpy(to + i * step, in + i * sizeof(T), sizeof(T));
    } else if constexpr (sizeof(T) == 2) {
      for (int64_t i = 0; i < count; ++i) {
        uint32_t value = 0;
        for (int64_t bit = i * bits_; bit < (i + 1) * bits_; ++bit)
          value = value << 1 | (in[bit / 8] >> (7 - bit % 8) & 1);
        to[i * step] = static_cast<T>(value);
      }
    } else {
      fail_unreadable();
    }
  }

  Bytes bytes_;
  const std::string& name_;
  uint64_t at_ = 0;
  std::string fault_;
  std::unique_ptr<TIFF, decltype(&TIFFClose)> file_{nullptr, TIFFClose};
  int64_t height_ = 0, width_ = 0, bands_ = 1, bits_ = 1;
  uint16_t photometric_ = 0, format_ = SAMPLEFORMAT_UINT;
  bool planar_ = false;
};

/// RGB of fractions or 32-bit numbers.
template <typename T>
Image to_levels(const Raster<T>& raster, const std::string& name, const DecodeOptions& options) {
  constexpr bool kFractions = std::is_floating_point_v<T>;
  const auto finite = [](T value) { return std::isnan(double(value)) ? 0.0 : double(value); };
  double least = finite(raster.samples.front()), most = least;
  for (const T value : raster.samples) {
    least = std::min(least, finite(value)), most = std::max(most, finite(value));
  }
  const bool shares = kFractions && least >= 0 && most > 0 && most <= 1;
  if (shares) {
    remark(options, name + ": its values are fractions up to 1, taken as shares of 255");
  } else if (least < 0 || most > 255) {
    remark(options, str(name, ": its values go from ", least, " to ", most,
                        "; what lies outside 0 to 255 is cut off"));
  }
  return to_rgb(raster, [&](T value) {
    return static_cast<uint8_t>(
        std::lrint(std::clamp(finite(value), 0.0, 255.0) * (shares ? 255 : 1)));
  });
}

}  // namespace

Image decode_tiff(Bytes bytes, const std::string& name, const DecodeOptions& options) {
  const Tiff file(bytes, name, options.max_pixels);
  if (file.has_fractions() && file.bits() == 64)
    return to_levels(file.samples<double>(), name, options);
  if (file.has_fractions() && file.bits() == 32)
    return to_levels(file.samples<float>(), name, options);
  if (file.has_fractions()) {
    fail_in(name, "a TIFF image of ", file.bits(), "-bit fractions; 32 and 64 bits are read");
  }
  if (file.bits() == 32) {
    return file.is_signed() ? to_levels(file.samples<int32_t>(), name, options)
                            : to_levels(file.samples<uint32_t>(), name, options);
  }
  Image image = file.rgb();
  if (file.bits() == 16) remark_dark_16_bits(image, name, options);
  return image;
}

LabelMap decode_tiff_labels(Bytes bytes, const std::string& name) {
  const Tiff file(bytes, name, DecodeOptions().max_pixels);
  if (!file.has_ids()) fail_not_ids(name);
  if (file.bits() == 32) return to_labels(file.samples<int32_t>());
  if (file.bits() == 16 && file.is_signed()) return to_labels(file.samples<int16_t>());
  if (file.bits() > 8 || (file.bits() < 8 && file.has_palette()))
    return to_labels(file.samples<uint16_t>());
  if (file.bits() == 8 && !file.is_inverted()) return to_labels(file.samples<uint8_t>());
  // One to four bits, or white as 0: as the image is shown.
  const Image shown = file.rgb();
  LabelMap labels{shown.height, shown.width, {}};
  for (size_t i = 0; i < shown.pixels.size(); i += 3) labels.ids.push_back(shown.pixels[i]);
  return labels;
}

}  // namespace pixelclip::formats
