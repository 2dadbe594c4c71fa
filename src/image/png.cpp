#include "image/png.hpp"

#include <png.h>

#include <algorithm>
#include <csetjmp>
#include <cstdio>
#include <cstring>

#include "base/error.hpp"
#include "image/exif.hpp"

namespace pixelclip {
namespace formats {
namespace {

/// State of libpng's callbacks. libpng exits by longjmp: there must be no frames with destructors
/// between run() and the library.
struct PngState {
  Bytes bytes;
  size_t at = 0;
  bool truncated = false;
  char text[128] = "";
  std::jmp_buf jump;

  template <typename Step>
  bool run(const Step& step) {
    if (setjmp(jump)) return false;
    step();
    return true;
  }

  static void on_error(png_structp png, png_const_charp text) {
    auto* self = static_cast<PngState*>(png_get_error_ptr(png));
    std::snprintf(self->text, sizeof self->text, "%s", text);
    std::longjmp(self->jump, 1);
  }
  static void on_warning(png_structp, png_const_charp) {}
  static void read(png_structp png, png_bytep out, size_t size) {
    auto* self = static_cast<PngState*>(png_get_io_ptr(png));
    if (self->bytes.size() - self->at < size) {
      self->truncated = true;
      png_error(png, "the data ends early");
    }
    std::memcpy(out, self->bytes.data() + self->at, size);
    self->at += size;
  }
  static void append(png_structp png, png_bytep data, size_t size) {
    auto* out = static_cast<std::vector<uint8_t>*>(png_get_io_ptr(png));
    out->insert(out->end(), data, data + size);
  }
};

class PngReader {
 public:
  PngReader(Bytes bytes, const std::string& name, int64_t max_pixels) : name_(name) {
    state_.bytes = bytes;
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, &state_, PngState::on_error,
                                  PngState::on_warning);
    info_ = png_ ? png_create_info_struct(png_) : nullptr;
    if (!info_) {
      close();
      fail_in(name_, "libpng could not be started");
    }
    try {
      run([&] {
        png_set_read_fn(png_, &state_, PngState::read);
        png_set_user_limits(png_, 0x7fffffff, 0x7fffffff);  // check_size decides
        png_read_info(png_, info_);
      });
      check_size(height(), width(), name_, max_pixels);
    } catch (...) {
      close();
      throw;
    }
  }
  ~PngReader() { close(); }
  PngReader(const PngReader&) = delete;
  PngReader& operator=(const PngReader&) = delete;

  int64_t height() const { return png_get_image_height(png_, info_); }
  int64_t width() const { return png_get_image_width(png_, info_); }
  int color() const { return png_get_color_type(png_, info_); }
  int depth() const { return png_get_bit_depth(png_, info_); }

  int orientation() {
    png_bytep exif = nullptr;
    png_uint_32 size = 0;
    if (!png_get_eXIf_1(png_, info_, &size, &exif)) return 1;
    return exif_orientation({exif, size});
  }

  Image read_rgb() {
    Image image(height(), width(), 3);
    run([&] {
      png_set_expand(png_);
      png_set_strip_16(png_);
      png_set_strip_alpha(png_);
      if (!(color() & PNG_COLOR_MASK_COLOR)) png_set_gray_to_rgb(png_);
      read_rows(image.pixels.data(), image.stride());
    });
    return image;
  }

  LabelMap read_labels() {
    if ((color() & PNG_COLOR_MASK_COLOR) && !(color() & PNG_COLOR_MASK_PALETTE)) {
      fail_in(name_,
              "the labels are colors; a grey or palette image of ids was expected "
              "(convert each color to its id)");
    }
    const int bytes = depth() == 16 ? 2 : 1;
    std::vector<uint8_t> raw(static_cast<size_t>(height() * width() * bytes));
    run([&] {
      png_set_packing(png_);
      png_set_strip_alpha(png_);
      read_rows(raw.data(), width() * bytes);
    });
    LabelMap labels{height(), width(), std::vector<int32_t>(raw.size() / bytes)};
    for (size_t i = 0; i < labels.ids.size(); ++i) {
      labels.ids[i] = bytes == 1 ? raw[i] : raw[2 * i] << 8 | raw[2 * i + 1];
    }
    return labels;
  }

 private:
  template <typename Step>
  void run(const Step& step) {
    if (state_.run(step)) return;
    fail_in(name_, state_.truncated ? "truncated PNG (" : "not a readable PNG (", state_.text, ")");
  }

  void read_rows(uint8_t* pixels, int64_t stride) {
    const int passes = png_set_interlace_handling(png_);
    png_read_update_info(png_, info_);
    if (static_cast<int64_t>(png_get_rowbytes(png_, info_)) != stride) {
      png_error(png_, "its rows have an unexpected length");
    }
    const int64_t rows = height();
    for (int pass = 0; pass < passes; ++pass) {
      for (int64_t y = 0; y < rows; ++y) png_read_row(png_, pixels + y * stride, nullptr);
    }
  }

  void close() { png_destroy_read_struct(&png_, &info_, nullptr); }

  const std::string& name_;
  PngState state_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
};

/// `rows` has `channels` samples per pixel of `depth` bits, big-endian.
std::vector<uint8_t> encode(const uint8_t* rows, int64_t height, int64_t width, int channels,
                            int depth) {
  constexpr int64_t kMost = 0x7fffffff;
  if (height <= 0 || width <= 0 || height > kMost || width > kMost ||
      (channels != 1 && channels != 3)) {
    fail("an image of ", height, " x ", width, " x ", channels,
         " cannot be written as PNG; sides of 1 or more and 1 or 3 channels were expected");
  }
  PngState state;
  std::vector<uint8_t> bytes;
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &state, PngState::on_error,
                                            PngState::on_warning);
  png_infop info = png ? png_create_info_struct(png) : nullptr;
  const bool done = info && state.run([&] {
    png_set_write_fn(png, &bytes, PngState::append, nullptr);
    png_set_user_limits(png, 0x7fffffff, 0x7fffffff);
    png_set_IHDR(png, info, static_cast<png_uint_32>(width), static_cast<png_uint_32>(height),
                 depth, channels == 3 ? PNG_COLOR_TYPE_RGB : PNG_COLOR_TYPE_GRAY,
                 PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(png, info);
    for (int64_t y = 0; y < height; ++y) {
      png_write_row(png, rows + y * width * channels * (depth / 8));
    }
    png_write_end(png, info);
  });
  png_destroy_write_struct(&png, &info);
  if (!done) fail("the PNG encoder failed: ", state.text);
  return bytes;
}

}  // namespace

bool is_png(Bytes bytes) { return bytes.size() >= 8 && png_sig_cmp(bytes.data(), 0, 8) == 0; }

ImageInfo probe_png(Bytes bytes, const std::string& name, const DecodeOptions& options) {
  PngReader reader(bytes, name, options.max_pixels);
  return {reader.height(), reader.width(), reader.orientation(), false};
}

Image decode_png(Bytes bytes, const std::string& name, const DecodeOptions& options) {
  PngReader reader(bytes, name, options.max_pixels);
  const int depth = reader.depth();  // reading changes it to 8
  Image image = reader.read_rgb();
  if (depth == 16) remark_dark_16_bits(image, name, options);
  return image;
}

LabelMap decode_png_labels(Bytes bytes, const std::string& name) {
  return PngReader(bytes, name, DecodeOptions().max_pixels).read_labels();
}

}  // namespace formats

std::vector<uint8_t> encode_png(const Image& image) {
  return formats::encode(image.pixels.data(), image.height, image.width,
                         static_cast<int>(image.channels), 8);
}

std::vector<uint8_t> encode_label_png(const LabelMap& labels) {
  int32_t most = 0;
  for (const int32_t id : labels.ids) {
    if (id < 0 || id > 65535) fail("the label ", id, " cannot be written as PNG: 0 to 65535 can");
    most = std::max(most, id);
  }
  std::vector<uint8_t> samples;
  samples.reserve(labels.ids.size() * (most > 255 ? 2 : 1));
  for (const int32_t id : labels.ids) {
    if (most > 255) samples.push_back(static_cast<uint8_t>(id >> 8));
    samples.push_back(static_cast<uint8_t>(id));
  }
  return formats::encode(samples.data(), labels.height, labels.width, 1, most > 255 ? 16 : 8);
}

}  // namespace pixelclip
