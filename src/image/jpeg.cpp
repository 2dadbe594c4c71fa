#include "image/jpeg.hpp"

#include <cstdio>  // jpeglib.h needs it first

#include <jpeglib.h>

#include <jerror.h>  // behind jpeglib.h, whose options it looks at

#include <algorithm>
#include <array>
#include <csetjmp>
#include <cstdlib>
#include <cstring>
#include <set>

#include "base/error.hpp"
#include "image/exif.hpp"

namespace pixelclip {
namespace formats {
namespace {

/// Error handling of libjpeg, which reports through this and exits by longjmp: there must be no
/// frames with destructors between run() and the library.
struct ErrorManager {
  jpeg_error_mgr base;
  jpeg_progress_mgr progress;
  std::jmp_buf jump;
  bool truncated;
  bool needs_end;  ///< the end of the bytes ends the decoding, whatever was read before
  bool ended;      ///< the end of the bytes was met
  size_t left;     ///< bytes behind what was read, of files that are read before rows are given out
  char text[JMSG_LENGTH_MAX];

  void install(j_common_ptr codec) {
    codec->err = jpeg_std_error(&base);
    base.error_exit = leave;
    base.emit_message = on_message;
    base.output_message = [](j_common_ptr) {};
    progress.progress_monitor = on_progress;
  }

  template <typename Step>
  bool run(const Step& step) {
    if (setjmp(jump)) return false;
    step();
    return true;
  }

  [[noreturn]] static void leave(j_common_ptr codec) {
    auto* self = reinterpret_cast<ErrorManager*>(codec->err);
    const int code = self->base.msg_code;
    self->truncated = code == JWRN_JPEG_EOF || code == JWRN_HIT_MARKER || code == JERR_INPUT_EOF;
    self->base.format_message(codec, self->text);
    std::longjmp(self->jump, 1);
  }

  /// Warnings after which pixels would be guessed end the decoding; harmless ones are ignored, for
  /// example a missing end marker (JWRN_HIT_MARKER follows if bits are missing).
  static void on_message(j_common_ptr codec, int level) {
    if (level >= 0) return;
    switch (codec->err->msg_code) {
      case JWRN_JPEG_EOF:
        reinterpret_cast<ErrorManager*>(codec->err)->ended = true;
        if (!reinterpret_cast<ErrorManager*>(codec->err)->needs_end) return;
        leave(codec);
      case JWRN_HIT_MARKER:
      case JWRN_HUFF_BAD_CODE:
      case JWRN_ARITH_BAD_CODE:
      case JWRN_MUST_RESYNC:
        leave(codec);
    }
  }

  /// A progressive file of a few bytes can request millions of passes over the image.
  static void on_progress(j_common_ptr codec) {
    constexpr int kMostScans = 500;
    if (!codec->is_decompressor) return;
    const auto* reader = reinterpret_cast<j_decompress_ptr>(codec);
    auto* self = reinterpret_cast<ErrorManager*>(codec->err);
    if (!self->ended) self->left = reader->src->bytes_in_buffer;
    if (reader->input_scan_number <= kMostScans) return;
    std::snprintf(self->text, sizeof self->text, "more than %d scans", kMostScans);
    self->truncated = false;
    std::longjmp(self->jump, 1);
  }
};

/// Pillow's CMYK to RGB conversion for samples stored inverted, as Adobe does (and Pillow assumes).
void cmyk_to_rgb(const uint8_t* in, int64_t pixels, uint8_t* out) {
  for (int64_t i = 0; i < pixels; ++i, in += 4, out += 3) {
    const int light = in[3];
    for (int c = 0; c < 3; ++c) {
      const int product = (255 - in[c]) * light + 128;
      out[c] = static_cast<uint8_t>(light - ((product + (product >> 8)) >> 8));
    }
  }
}

/// Frees the memory of libjpeg, also if the reader's constructor throws.
struct Decompressor : jpeg_decompress_struct {
  Decompressor() : jpeg_decompress_struct() {}
  ~Decompressor() { jpeg_destroy_decompress(this); }
  Decompressor(const Decompressor&) = delete;
  Decompressor& operator=(const Decompressor&) = delete;
};

/// The end of a file.
struct Ending {
  bool marked = false;  ///< has the end marker, possibly followed by other bytes
  std::set<uint8_t>
      scanned;       ///< components that have a scan; empty when the last bytes are the mark
  size_t zeros = 0;  ///< zeros at the end of the file
};

Ending ending_of(Bytes bytes) {
  constexpr uint8_t kStart = 0xD8, kEnd = 0xD9, kScan = 0xDA;
  Ending ending;
  const size_t size = bytes.size();
  if (size >= 2 && bytes[size - 2] == 0xFF && bytes[size - 1] == kEnd) {
    ending.marked = true;
    return ending;
  }
  while (ending.zeros < size && bytes[size - 1 - ending.zeros] == 0) ++ending.zeros;
  for (size_t at = 2; at + 1 < size;) {
    if (bytes[at] != 0xFF) {  // coded data
      const void* next = std::memchr(bytes.data() + at, 0xFF, size - at);
      if (!next) break;
      at = static_cast<size_t>(static_cast<const uint8_t*>(next) - bytes.data());
      continue;
    }
    const uint8_t marker = bytes[at + 1];
    if (marker == 0xFF) {  // a fill byte
      ++at;
    } else if (marker < 0x02 || (marker >= 0xD0 && marker <= 0xD7)) {  // a stuffed byte, a restart
      at += 2;
    } else if (marker == kEnd || marker == kStart) {  // the end, or another file behind a cut one
      ending.marked = marker == kEnd && !ending.scanned.empty();
      break;
    } else {
      const size_t length = at + 4 <= size ? size_t{bytes[at + 2]} << 8 | bytes[at + 3] : 0;
      if (length < 2 || length > size - at - 2) break;
      for (size_t i = 0; marker == kScan && length > 2 && i < bytes[at + 4] && 2 * i + 4 < length;
           ++i) {
        ending.scanned.insert(bytes[at + 5 + 2 * i]);
      }
      at += 2 + length;
    }
  }
  return ending;
}

class JpegReader {
 public:
  JpegReader(Bytes bytes, const std::string& name, const DecodeOptions& options)
      : name_(name), ending_(ending_of(bytes)) {
    errors_.needs_end = true;
    errors_.install(reinterpret_cast<j_common_ptr>(&codec_));
    run([&] {
      jpeg_create_decompress(&codec_);
      codec_.progress = &errors_.progress;
      jpeg_mem_src(&codec_, bytes.data(), bytes.size());
      jpeg_read_header(&codec_, TRUE);
    });
    // Arithmetic decoding reads zeros beyond the end without a warning.
    errors_.needs_end = codec_.arith_code;
    check_size(height(), width(), name_, options.max_pixels);
  }

  int64_t height() const { return codec_.image_height; }
  int64_t width() const { return codec_.image_width; }

  void decode(const Rect& wanted, int scale, ImageRegion& out) {
    start(scale);
    // Without an end marker, all rows must be read to see whether some are missing.
    const Rect rect = choose_region(ending_.marked ? wanted : Rect{});
    out.rect = rect;
    out.source_height = codec_.output_height;
    out.source_width = full_width_;
    out.image.reshape(rect.height, rect.width, 3);
    if (codec_.out_color_space == JCS_CMYK) {
      read_cmyk(rect, out.image);
    } else {
      run([&] { read_rows(rect, out.image); });
    }
    if (!complete_)
      fail_in(name_, "truncated JPEG (it has no end marker, and parts of the image are missing)");
  }

 private:
  template <typename Step>
  void run(const Step& step) {
    if (errors_.run(step)) return;
    if (errors_.truncated) fail_in(name_, "truncated JPEG (", errors_.text, ")");
    fail_in(name_, "not a readable JPEG (", errors_.text, ")");
  }

  void start(int scale) {
    if (codec_.num_components == 2 || codec_.num_components > 4) {
      fail_in(name_, "a JPEG of ", codec_.num_components,
              " components; 1 (grey), 3 (color) or 4 (CMYK) were expected");
    }
    run([&] {
      codec_.out_color_space = codec_.num_components == 4 ? JCS_CMYK : JCS_RGB;
      codec_.scale_num = static_cast<unsigned>(8 / scale);
      codec_.scale_denom = 8;
      jpeg_start_decompress(&codec_);
    });
    full_width_ = codec_.output_width;
  }

  /// The rectangle that is decoded for `wanted`. It has a margin, because smooth upsampling uses
  /// neighboring chroma samples and the library does not read those outside its region.
  Rect choose_region(const Rect& wanted) {
    const int64_t rows = codec_.output_height, columns = full_width_;
    // libjpeg-turbo skips rows incorrectly if scaling reduces 4:1 chroma subsampling to 2:1.
    const bool skips_wrongly =
        codec_.scale_num < 8 && codec_.max_h_samp_factor * codec_.max_v_samp_factor > 4;
    if (wanted.empty() || skips_wrongly) return {0, 0, columns, rows};
    constexpr int64_t kMargin = 4;
    const int64_t top = std::clamp<int64_t>(wanted.y - kMargin, 0, rows - 1);
    const int64_t bottom = std::clamp<int64_t>(wanted.y + wanted.height, top + 1, rows);
    const int64_t left = std::clamp<int64_t>(wanted.x - kMargin, 0, columns - 1);
    const int64_t right = std::clamp<int64_t>(wanted.x + wanted.width + kMargin, left + 1, columns);
    if (left == 0 && right == columns) return {0, top, columns, bottom - top};
    auto offset = static_cast<JDIMENSION>(left);
    auto width = static_cast<JDIMENSION>(right - left);
    run([&] { jpeg_crop_scanline(&codec_, &offset, &width); });
    return {offset, top, width, bottom - top};
  }

  void read_rows(const Rect& rect, Image& image) {
    if (rect.y > 0) jpeg_skip_scanlines(&codec_, static_cast<JDIMENSION>(rect.y));
    const int64_t stride = image.stride();
    uint8_t* const pixels = image.pixels.data();
    for (int64_t y = 0; y < rect.height;) {
      JSAMPROW rows[8];
      const auto count = static_cast<int>(std::min<int64_t>(8, rect.height - y));
      for (int i = 0; i < count; ++i) rows[i] = pixels + (y + i) * stride;
      y += jpeg_read_scanlines(&codec_, rows, static_cast<JDIMENSION>(count));
    }
    finish();
  }

  void read_cmyk(const Rect& rect, Image& image) {
    std::vector<uint8_t> line(static_cast<size_t>(rect.width * 4));
    run([&] {
      if (rect.y > 0) jpeg_skip_scanlines(&codec_, static_cast<JDIMENSION>(rect.y));
      for (int64_t y = 0; y < rect.height; ++y) {
        JSAMPROW row = line.data();
        jpeg_read_scanlines(&codec_, &row, 1);
        cmyk_to_rgb(row, rect.width, image.row(y));
      }
      finish();
    });
  }

  /// The end of the file is checked only after all rows were read.
  void finish() {
    if (codec_.output_scanline != codec_.output_height) return;
    if (!ending_.marked) complete_ = is_complete();
    jpeg_finish_decompress(&codec_);
  }

  /// Whether a file without end marker whose rows were all decoded is complete: truncation between
  /// two scans loses components or bits, and the lost part may have been filled with zeros.
  bool is_complete() const {
    constexpr size_t kReadAhead = 8;  // bytes in the bit buffer
    const bool at_once = !jpeg_has_multiple_scans(const_cast<Decompressor*>(&codec_));
    const size_t behind = errors_.ended ? 0 : codec_.src->bytes_in_buffer;
    if ((at_once ? behind : errors_.left) + kReadAhead < ending_.zeros) return false;
    if (!codec_.progressive_mode)
      return static_cast<int>(ending_.scanned.size()) >= codec_.num_components;
    for (int c = 0; c < codec_.num_components; ++c) {
      const int* const bits = codec_.coef_bits[c];
      if (std::any_of(bits, bits + DCTSIZE2, [](int missing) { return missing != 0; }))
        return false;
    }
    return true;
  }

  const std::string& name_;
  const Ending ending_;
  Decompressor codec_;
  ErrorManager errors_ = {};
  int64_t full_width_ = 0;
  bool complete_ = true;
};

}  // namespace

bool is_jpeg(Bytes bytes) {
  return bytes.size() >= 3 && bytes[0] == 0xFF && bytes[1] == 0xD8 && bytes[2] == 0xFF;
}

ImageInfo probe_jpeg(Bytes bytes, const std::string& name, const DecodeOptions& options) {
  const JpegReader reader(bytes, name, options);
  return {reader.height(), reader.width(), jpeg_orientation(bytes), true};
}

void decode_jpeg(Bytes bytes, const std::string& name, const Rect& wanted,
                 const DecodeOptions& options, ImageRegion& out) {
  JpegReader(bytes, name, options).decode(wanted, options.scale, out);
}

}  // namespace formats

std::vector<uint8_t> encode_jpeg(const Image& image, int quality) {
  if (image.height <= 0 || image.width <= 0 || image.height > JPEG_MAX_DIMENSION ||
      image.width > JPEG_MAX_DIMENSION || (image.channels != 1 && image.channels != 3)) {
    fail("an image of ", image.height, " x ", image.width, " x ", image.channels,
         " cannot be written as JPEG; sides of 1 to 65500 and 1 or 3 channels were expected");
  }
  jpeg_compress_struct codec = {};
  formats::ErrorManager errors = {};
  errors.install(reinterpret_cast<j_common_ptr>(&codec));
  uint8_t* buffer = nullptr;
  unsigned long size = 0;
  const bool done = errors.run([&] {
    jpeg_create_compress(&codec);
    jpeg_mem_dest(&codec, &buffer, &size);
    codec.image_height = static_cast<JDIMENSION>(image.height);
    codec.image_width = static_cast<JDIMENSION>(image.width);
    codec.input_components = static_cast<int>(image.channels);
    codec.in_color_space = image.channels == 3 ? JCS_RGB : JCS_GRAYSCALE;
    jpeg_set_defaults(&codec);
    jpeg_set_quality(&codec, quality, TRUE);
    jpeg_start_compress(&codec, TRUE);
    for (int64_t y = 0; y < image.height; ++y) {
      auto* row = const_cast<uint8_t*>(image.row(y));
      jpeg_write_scanlines(&codec, &row, 1);
    }
    jpeg_finish_compress(&codec);
  });
  jpeg_destroy_compress(&codec);
  std::vector<uint8_t> bytes(buffer, buffer + (done ? size : 0));
  std::free(buffer);
  if (!done) fail("the JPEG encoder failed: ", errors.text);
  return bytes;
}

}  // namespace pixelclip
