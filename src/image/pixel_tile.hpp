#pragma once

#include <algorithm>
#include <cstdint>

#include "image/augment.hpp"
#include "image/planes.hpp"

namespace pixelclip {

/// A run of pixels, channels apart and widened: small enough for the first-level cache, of fixed
/// length so that the compiler turns every loop over it into vector instructions.
struct PixelTile {
  static constexpr int kSize = 128;
  int32_t r[kSize], g[kSize], b[kSize];

  void load(const uint8_t* rgb) {
    uint8_t parts[3][kSize];
    for (int i = 0; i < kSize; i += 16) {
      split16(rgb + 3 * i, parts[0] + i, parts[1] + i, parts[2] + i);
    }
    load(parts[0], parts[1], parts[2]);
  }
  void store(uint8_t* rgb) const {
    uint8_t parts[3][kSize];
    store(parts[0], parts[1], parts[2]);
    for (int i = 0; i < kSize; i += 16) {
      merge16(parts[0] + i, parts[1] + i, parts[2] + i, rgb + 3 * i);
    }
  }

  /// `count` pixels, and black behind.
  void load(const uint8_t* rgb, int count) {
    if (count == kSize) return load(rgb);
    uint8_t part[3 * kSize] = {};
    std::copy_n(rgb, 3 * count, part);
    load(part);
  }
  void load(const Planes& from, int64_t y, int64_t x, int count) {
    const uint8_t* rows[3];
    uint8_t parts[3][kSize] = {};
    for (int c = 0; c < 3; ++c) {
      rows[c] = from.row(c, y) + x;
      if (count < kSize) rows[c] = std::copy_n(rows[c], count, parts[c]) - count;
    }
    load(rows[0], rows[1], rows[2]);
  }
  void store(const Planes& to, int64_t y, int64_t x, int count) const {
    if (count == kSize) return store(to.row(0, y) + x, to.row(1, y) + x, to.row(2, y) + x);
    uint8_t parts[3][kSize];
    store(parts[0], parts[1], parts[2]);
    for (int c = 0; c < 3; ++c) std::copy_n(parts[c], count, to.row(c, y) + x);
  }

 private:
  void load(const uint8_t* red, const uint8_t* green, const uint8_t* blue) {
    for (int i = 0; i < kSize; ++i) r[i] = red[i], g[i] = green[i], b[i] = blue[i];
  }
  void store(uint8_t* red, uint8_t* green, uint8_t* blue) const {
    for (int i = 0; i < kSize; ++i) {
      red[i] = static_cast<uint8_t>(r[i]);
      green[i] = static_cast<uint8_t>(g[i]);
      blue[i] = static_cast<uint8_t>(b[i]);
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
  const auto count = static_cast<int>((size - at) / 3);
  uint8_t rest[kBytes];
  tile.load(pixels + at, count);
  body(tile, count);
  tile.store(rest);
  std::copy(rest, rest + (size - at), pixels + at);
}

/// SSD's jitter of one tile (ssd_jitter.cpp).
void apply(const SsdJitter& jitter, PixelTile& tile);

/// Three passes of a box that stand for a Gaussian, in place (blur.cpp).
void blur_plane(uint8_t* pixels, int64_t height, int64_t width, int64_t stride, float sigma,
                AugmentScratch& scratch);

}  // namespace pixelclip
