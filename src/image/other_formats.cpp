#include "image/other_formats.hpp"

#include <cstring>

#include "base/error.hpp"
#include "image/bmp.hpp"
#include "image/exif.hpp"
#include "image/jpeg2000.hpp"
#include "image/pnm.hpp"
#include "image/raster.hpp"
#include "image/tiff.hpp"
#include "image/webp.hpp"

/// Formats beside JPEG and PNG, recognised by their first bytes.
namespace pixelclip::formats {
namespace {

bool begins_with(Bytes bytes, const char* text, size_t size, size_t offset = 0) {
  return bytes.size() >= offset + size && std::memcmp(bytes.data() + offset, text, size) == 0;
}

bool is_pnm(Bytes bytes) {
  return bytes.size() >= 3 && bytes[0] == 'P' && bytes[1] >= '1' && bytes[1] <= '6' &&
         bytes[2] != 0 && std::strchr(" \t\r\n", bytes[2]);
}
bool is_bmp(Bytes bytes) { return begins_with(bytes, "BM", 2); }
bool is_webp(Bytes bytes) {
  return begins_with(bytes, "RIFF", 4) && begins_with(bytes, "WEBP", 4, 8);
}
bool is_jpeg2000(Bytes bytes) { return begins_with(bytes, "\0\0\0\x0CjP  ", 8); }

[[noreturn]] void fail_unknown(const std::string& name) {
  fail_in(name,
          "this is not an image of a known kind (JPEG, PNG, BMP, WebP, TIFF, JPEG 2000 and PNM are "
          "read)");
}

}  // namespace

int other_orientation(Bytes bytes) {
  if (is_tiff(bytes)) return exif_orientation(bytes);
  return is_webp(bytes) ? webp_orientation(bytes) : 1;
}

Image decode_other(Bytes bytes, const std::string& name, const DecodeOptions& options) {
  if (is_tiff(bytes)) return decode_tiff(bytes, name, options);
  if (is_bmp(bytes)) return decode_bmp(bytes, name, options);
  if (is_webp(bytes)) return decode_webp(bytes, name, options);
  if (is_jpeg2000(bytes)) return decode_jpeg2000(bytes, name, options);
  if (is_pnm(bytes)) return decode_pnm(bytes, name, options);
  fail_unknown(name);
}

LabelMap decode_other_labels(Bytes bytes, const std::string& name) {
  if (is_tiff(bytes)) return decode_tiff_labels(bytes, name);
  if (is_bmp(bytes)) return decode_bmp_labels(bytes, name);
  if (is_webp(bytes)) fail_not_ids(name);
  if (is_jpeg2000(bytes)) return decode_jpeg2000_labels(bytes, name);
  if (is_pnm(bytes)) return decode_pnm_labels(bytes, name);
  fail_unknown(name);
}

}  // namespace pixelclip::formats
