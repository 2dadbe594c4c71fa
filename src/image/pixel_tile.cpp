#include "image/pixel_tile.hpp"

#include "base/instruction_sets.hpp"

namespace pixelclip {
namespace {

constexpr int kSize = PixelTile::kSize;

PIXELCLIP_INLINE void widen(const uint8_t* red, const uint8_t* green, const uint8_t* blue,
                            PixelTile& tile) {
  for (int i = 0; i < kSize; ++i) tile.r[i] = red[i];
  for (int i = 0; i < kSize; ++i) tile.g[i] = green[i];
  for (int i = 0; i < kSize; ++i) tile.b[i] = blue[i];
}

PIXELCLIP_INLINE void narrow(const PixelTile& tile, uint8_t* red, uint8_t* green, uint8_t* blue) {
  for (int i = 0; i < kSize; ++i) red[i] = static_cast<uint8_t>(tile.r[i]);
  for (int i = 0; i < kSize; ++i) green[i] = static_cast<uint8_t>(tile.g[i]);
  for (int i = 0; i < kSize; ++i) blue[i] = static_cast<uint8_t>(tile.b[i]);
}

PIXELCLIP_CLONES void load_pixels(const uint8_t* rgb, PixelTile& tile) {
  uint8_t parts[3][kSize];
  for (int i = 0; i < kSize; i += 16) {
    split16(rgb + 3 * i, parts[0] + i, parts[1] + i, parts[2] + i);
  }
  widen(parts[0], parts[1], parts[2], tile);
}

PIXELCLIP_CLONES void store_pixels(const PixelTile& tile, uint8_t* rgb) {
  uint8_t parts[3][kSize];
  narrow(tile, parts[0], parts[1], parts[2]);
  for (int i = 0; i < kSize; i += 16) {
    merge16(parts[0] + i, parts[1] + i, parts[2] + i, rgb + 3 * i);
  }
}

PIXELCLIP_CLONES void load_planes(const uint8_t* red, const uint8_t* green, const uint8_t* blue,
                                  PixelTile& tile) {
  widen(red, green, blue, tile);
}

PIXELCLIP_CLONES void store_planes(const PixelTile& tile, uint8_t* red, uint8_t* green,
                                   uint8_t* blue) {
  narrow(tile, red, green, blue);
}

}  // namespace

void PixelTile::load(const uint8_t* rgb) { load_pixels(rgb, *this); }

void PixelTile::store(uint8_t* rgb) const { store_pixels(*this, rgb); }

void PixelTile::load(const uint8_t* rgb, int count) {
  if (count == kSize) return load_pixels(rgb, *this);
  uint8_t part[3 * kSize] = {};
  std::copy_n(rgb, 3 * count, part);
  load_pixels(part, *this);
}

void PixelTile::load(const Planes& from, int64_t y, int64_t x, int count) {
  const uint8_t* rows[3];
  uint8_t parts[3][kSize] = {};
  for (int c = 0; c < 3; ++c) {
    rows[c] = from.row(c, y) + x;
    if (count < kSize) rows[c] = std::copy_n(rows[c], count, parts[c]) - count;
  }
  load_planes(rows[0], rows[1], rows[2], *this);
}

void PixelTile::store(const Planes& to, int64_t y, int64_t x, int count) const {
  if (count == kSize)
    return store_planes(*this, to.row(0, y) + x, to.row(1, y) + x, to.row(2, y) + x);
  uint8_t parts[3][kSize];
  store_planes(*this, parts[0], parts[1], parts[2]);
  for (int c = 0; c < 3; ++c) std::copy_n(parts[c], count, to.row(c, y) + x);
}

}  // namespace pixelclip
