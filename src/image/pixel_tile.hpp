#pragma once

#include <algorithm>
#include <cstdint>

#include "image/image.hpp"
#include "image/planes.hpp"

namespace pixelclip {

/// A run of pixels with separate, widened channels: small enough for the first-level cache, of
/// fixed length so that the compiler vectorizes loops over it.
struct PixelTile {
  static constexpr int kSize = 128;
  int32_t r[kSize], g[kSize], b[kSize];

  /// kSize pixels of an image; `rgb` [kSize, 3].
  void load(const uint8_t* rgb);
  void store(uint8_t* rgb) const;
  /// `count` pixels; the rest is black.
  void load(const uint8_t* rgb, int count);
  /// The same from planes, from pixel (y, x) on.
  void load(const Planes& from, int64_t y, int64_t x, int count);
  void store(const Planes& to, int64_t y, int64_t x, int count) const;
};

/// Calls `body(tile, count)` for all pixels and writes the tile back; the last tile has only
/// `count` pixels; the rest is black.
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
  const auto count = static_cast<int>((size - at) / 3);
  uint8_t rest[kBytes];
  tile.load(pixels + at, count);
  body(tile, count);
  tile.store(rest);
  std::copy(rest, rest + (size - at), pixels + at);
}

}  // namespace pixelclip
