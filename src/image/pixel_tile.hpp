#pragma once

#include <algorithm>
#include <cstdint>

#include "pixelclip/image/image.hpp"

namespace pixelclip {

/// A run of pixels, channels apart and widened: small enough for the first-level cache, of fixed
/// length so that the compiler turns every loop over it into vector instructions.
struct PixelTile {
  static constexpr int kSize = 128;
  int32_t r[kSize], g[kSize], b[kSize];

  void load(const uint8_t* rgb) {
    for (int i = 0; i < kSize; ++i) {
      r[i] = rgb[3 * i], g[i] = rgb[3 * i + 1], b[i] = rgb[3 * i + 2];
    }
  }
  void store(uint8_t* rgb) const {
    for (int i = 0; i < kSize; ++i) {
      rgb[3 * i] = static_cast<uint8_t>(r[i]);
      rgb[3 * i + 1] = static_cast<uint8_t>(g[i]);
      rgb[3 * i + 2] = static_cast<uint8_t>(b[i]);
    }
  }
};

/// Calls `body(tile, count)` for all pixels and writes the tile back; the last tile holds only
/// `count` of them, and black behind.
template <typename Body>
void for_each_tile(Image& image, const Body& body) {
  constexpr int64_t kBytes = 3 * PixelTile::kSize;
  PixelTile tile;
  const auto size = static_cast<int64_t>(image.pixels.size());
  uint8_t* const pixels = image.pixels.data();
  int64_t at = 0;
  for (; at + kBytes <= size; at += kBytes) {
    tile.load(pixels + at);
    body(tile, PixelTile::kSize);
    tile.store(pixels + at);
  }
  if (at == size) return;
  uint8_t rest[kBytes] = {};
  std::copy(pixels + at, pixels + size, rest);
  tile.load(rest);
  body(tile, static_cast<int>((size - at) / 3));
  tile.store(rest);
  std::copy(rest, rest + (size - at), pixels + at);
}

}  // namespace pixelclip
