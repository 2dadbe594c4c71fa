#include "image/codec.hpp"

#include <algorithm>
#include <cstring>
#include <ostream>

#include "base/error.hpp"
#include "base/file.hpp"
#include "image/exif.hpp"
#include "image/jpeg.hpp"
#include "image/other_formats.hpp"
#include "image/png.hpp"

namespace pixelclip {

using formats::Bytes;

namespace {

void check_bytes(Bytes bytes, const std::string& name) {
  if (bytes.empty()) fail_in(name, "the file is empty; an image was expected");
}

void check_scale(int scale) {
  if (scale != 1 && scale != 2 && scale != 4 && scale != 8) {
    fail("a decoding scale of ", scale, " is not offered; 1, 2, 4 or 8 are");
  }
}

/// EXIF orientation: 5 to 8 swap the axes; then columns and rows may be mirrored.
struct Turn {
  bool swap, mirror_x, mirror_y;

  explicit Turn(int orientation)
      : swap(orientation >= 5),
        mirror_x(orientation == 2 || orientation == 3 || orientation == 6 || orientation == 7),
        mirror_y(orientation == 3 || orientation == 4 || orientation == 7 || orientation == 8) {}

  /// The stored rectangle of the displayed rectangle `shown`; the displayed image is height ×
  /// width.
  Rect to_stored(const Rect& shown, int64_t height, int64_t width) const {
    Rect r = shown;
    if (mirror_x) r.x = width - shown.x - shown.width;
    if (mirror_y) r.y = height - shown.y - shown.height;
    return swap ? Rect{r.y, r.x, r.height, r.width} : r;
  }

  /// The inverse; height × width is again the displayed size.
  Rect to_shown(const Rect& stored, int64_t height, int64_t width) const {
    Rect r = swap ? Rect{stored.y, stored.x, stored.height, stored.width} : stored;
    if (mirror_x) r.x = width - r.x - r.width;
    if (mirror_y) r.y = height - r.y - r.height;
    return r;
  }

  Image apply(const Image& in) const {
    const int64_t height = swap ? in.width : in.height, width = swap ? in.height : in.width;
    Image out(height, width, in.channels);
    for (int64_t y = 0; y < height; ++y) {
      uint8_t* to = out.row(y);
      for (int64_t x = 0; x < width; ++x) {
        const int64_t u = mirror_x ? width - 1 - x : x, v = mirror_y ? height - 1 - y : y;
        const uint8_t* from = swap ? in.row(u) + v * in.channels : in.row(v) + u * in.channels;
        for (int64_t c = 0; c < in.channels; ++c) *to++ = from[c];
      }
    }
    return out;
  }
};

void orient(ImageRegion& region, int orientation) {
  if (orientation == 1) return;
  const Turn turn(orientation);
  if (turn.swap) std::swap(region.source_height, region.source_width);
  region.rect = turn.to_shown(region.rect, region.source_height, region.source_width);
  region.image = turn.apply(region.image);
}

void decode_jpeg(Bytes bytes, const std::string& name, Rect wanted, const DecodeOptions& options,
                 ImageRegion& out) {
  const int orientation = options.orient ? formats::jpeg_orientation(bytes) : 1;
  if (orientation != 1 && !wanted.empty()) {
    const ImageInfo info = probe(bytes, name, options);
    wanted = Turn(orientation)
                 .to_stored(wanted, scaled_size(info.height, options.scale),
                            scaled_size(info.width, options.scale));
  }
  formats::decode_jpeg(bytes, name, wanted, options, out);
  orient(out, orientation);
}

void write_bytes(const std::filesystem::path& path, const std::vector<uint8_t>& bytes) {
  write_atomically(path, [&](std::ostream& out) {
    out.write(reinterpret_cast<const char*>(bytes.data()),
              static_cast<std::streamsize>(bytes.size()));
  });
}

}  // namespace

ImageInfo probe(Bytes bytes, const std::string& name, const DecodeOptions& options) {
  check_bytes(bytes, name);
  ImageInfo info;
  if (formats::is_jpeg(bytes)) {
    info = formats::probe_jpeg(bytes, name, options);
  } else if (formats::is_png(bytes)) {
    info = formats::probe_png(bytes, name, options);
  } else {
    DecodeOptions quiet = options;
    std::vector<std::string> remarks;  // made again when the image is wanted
    quiet.remarks = &remarks;
    const Image image = formats::decode_other(bytes, name, quiet);
    info = {image.height, image.width, formats::other_orientation(bytes), false};
  }
  if (options.orient && Turn(info.orientation).swap) std::swap(info.height, info.width);
  return info;
}

void decode_rgb_region(Bytes bytes, const std::string& name, const Rect& wanted,
                       const DecodeOptions& options, ImageRegion& out) {
  check_bytes(bytes, name);
  check_scale(options.scale);
  if (formats::is_jpeg(bytes)) {
    decode_jpeg(bytes, name, wanted, options, out);
    return;
  }
  int orientation = 1;
  if (formats::is_png(bytes)) {
    if (options.orient) orientation = formats::probe_png(bytes, name, options).orientation;
    out.image = formats::decode_png(bytes, name, options);
  } else {
    if (options.orient) orientation = formats::other_orientation(bytes);
    out.image = formats::decode_other(bytes, name, options);
  }
  out.source_height = out.image.height;
  out.source_width = out.image.width;
  out.rect = {0, 0, out.source_width, out.source_height};
  orient(out, orientation);
}

Image decode_rgb(Bytes bytes, const std::string& name, const DecodeOptions& options) {
  ImageRegion region;
  decode_rgb_region(bytes, name, {}, options, region);
  return std::move(region.image);
}

Image decode_rgb_cropped(Bytes bytes, const std::string& name, const Rect& wanted,
                         const DecodeOptions& options) {
  ImageRegion region;
  decode_rgb_region(bytes, name, wanted, options, region);
  check_crop(wanted, region.source_height, region.source_width, name + ": ");
  Image out(wanted.height, wanted.width, 3);
  for (int64_t y = 0; y < wanted.height; ++y) {
    const uint8_t* from = region.image.row(wanted.y - region.rect.y + y);
    std::memcpy(out.row(y), from + (wanted.x - region.rect.x) * 3, out.stride());
  }
  return out;
}

int decode_scale(int64_t size, int64_t target) {
  for (const int scale : {8, 4, 2}) {
    if (scaled_size(size, scale) >= target) return scale;
  }
  return 1;
}

LabelMap decode_labels(Bytes bytes, const std::string& name) {
  check_bytes(bytes, name);
  if (formats::is_png(bytes)) return formats::decode_png_labels(bytes, name);
  if (formats::is_jpeg(bytes)) {
    fail_in(name,
            "a JPEG cannot hold labels, since its compression changes ids; a grey or palette "
            "PNG was expected");
  }
  return formats::decode_other_labels(bytes, name);
}

Image read_rgb(const std::filesystem::path& path, const DecodeOptions& options) {
  return decode_rgb(MappedFile(path).bytes(), path.string(), options);
}

LabelMap read_labels(const std::filesystem::path& path) {
  return decode_labels(MappedFile(path).bytes(), path.string());
}

void write_jpeg(const std::filesystem::path& path, const Image& image, int quality) {
  write_bytes(path, encode_jpeg(image, quality));
}

void write_png(const std::filesystem::path& path, const Image& image) {
  write_bytes(path, encode_png(image));
}

void write_label_png(const std::filesystem::path& path, const LabelMap& labels) {
  write_bytes(path, encode_label_png(labels));
}

}  // namespace pixelclip
