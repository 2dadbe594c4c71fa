#include "image/exif.hpp"

#include <cstring>

namespace pixelclip::formats {
namespace {

/// Bounds-checked numbers of either byte order; 0 outside the bytes.
struct TiffBytes {
  Bytes bytes;
  bool little;

  uint32_t number(size_t offset, int size) const {
    if (offset > bytes.size() || bytes.size() - offset < static_cast<size_t>(size)) return 0;
    uint32_t value = 0;
    for (int i = 0; i < size; ++i) {
      const uint32_t byte = bytes[offset + (little ? size - 1 - i : i)];
      value = value << 8 | byte;
    }
    return value;
  }
};

}  // namespace

bool is_tiff(Bytes bytes) {
  return bytes.size() >= 8 &&
         (std::memcmp(bytes.data(), "II*\0", 4) == 0 || std::memcmp(bytes.data(), "MM\0*", 4) == 0);
}

int exif_orientation(Bytes tiff) {
  constexpr uint32_t kOrientation = 0x0112, kShort = 3;
  if (!is_tiff(tiff)) return 1;
  const TiffBytes file{tiff, tiff[0] == 'I'};
  const size_t directory = file.number(4, 4);
  const uint32_t entries = file.number(directory, 2);
  for (uint32_t i = 0; i < entries; ++i) {
    const size_t entry = directory + 2 + size_t{12} * i;
    if (entry + 12 > tiff.size()) break;
    if (file.number(entry, 2) != kOrientation) continue;
    const uint32_t value = file.number(entry + 8, file.number(entry + 2, 2) == kShort ? 2 : 4);
    return value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
  }
  return 1;
}

int webp_orientation(Bytes bytes) {
  // RIFF: a name of four bytes, a size in little-endian order, that many bytes, padded to even.
  const TiffBytes file{bytes, true};
  for (size_t at = 12; at + 8 <= bytes.size();) {
    const size_t size = file.number(at + 4, 4);
    if (size > bytes.size() - at - 8) break;
    if (std::memcmp(bytes.data() + at, "EXIF", 4) == 0) {
      Bytes exif = bytes.subspan(at + 8, size);
      if (size > 6 && std::memcmp(exif.data(), "Exif\0", 6) == 0) exif = exif.subspan(6);
      return exif_orientation(exif);
    }
    at += 8 + size + size % 2;
  }
  return 1;
}

int jpeg_orientation(Bytes bytes) {
  constexpr uint8_t kStartOfScan = 0xDA, kApp1 = 0xE1;
  size_t at = 2;
  while (at + 4 <= bytes.size() && bytes[at] == 0xFF) {
    const uint8_t marker = bytes[at + 1];
    if (marker == 0xFF) {  // a fill byte
      ++at;
      continue;
    }
    if (marker == kStartOfScan) break;
    const size_t size = size_t{bytes[at + 2]} << 8 | bytes[at + 3];
    if (size < 2 || size > bytes.size() - at - 2) break;
    const Bytes segment = bytes.subspan(at + 4, size - 2);
    if (marker == kApp1 && segment.size() > 6 && std::memcmp(segment.data(), "Exif\0", 6) == 0) {
      return exif_orientation(segment.subspan(6));
    }
    at += 2 + size;
  }
  return 1;
}

}  // namespace pixelclip::formats
