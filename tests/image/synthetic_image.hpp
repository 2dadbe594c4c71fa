#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>

#include "base/random.hpp"
#include "image/image.hpp"

namespace pixelclip::testing {

/// Smooth waves with noise, the same everywhere (integers only).
inline Image synthetic_image(int64_t height, int64_t width, int64_t channels = 3,
                             uint64_t seed = 1) {
  Image image(height, width, channels);
  Random random(seed);
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t x = 0; x < width; ++x) {
      for (int64_t c = 0; c < channels; ++c) {
        const int64_t wave = (y * (3 + c) + x * (5 - c) + (y * x >> (3 + c))) % 510;
        const int64_t level = wave < 255 ? wave : 509 - wave;
        image.row(y)[x * channels + c] =
            static_cast<uint8_t>(std::clamp<int64_t>(level + random.integer(-20, 21), 0, 255));
      }
    }
  }
  return image;
}

/// FNV-1a, 64 bits.
inline uint64_t fingerprint(std::span<const uint8_t> bytes) {
  uint64_t hash = 0xcbf29ce484222325ull;
  for (const uint8_t byte : bytes) hash = (hash ^ byte) * 0x100000001b3ull;
  return hash;
}

/// The largest difference of two images' values, or −1 when their sizes differ.
inline int largest_difference(const Image& a, const Image& b) {
  if (a.height != b.height || a.width != b.width || a.channels != b.channels) return -1;
  int largest = 0;
  for (size_t i = 0; i < a.pixels.size(); ++i) {
    largest = std::max(largest, std::abs(int{a.pixels[i]} - int{b.pixels[i]}));
  }
  return largest;
}

inline Image cut(const Image& image, const Rect& rect) {
  Image out(rect.height, rect.width, image.channels);
  for (int64_t y = 0; y < rect.height; ++y) {
    std::copy_n(image.row(rect.y + y) + rect.x * image.channels, out.stride(), out.row(y));
  }
  return out;
}

}  // namespace pixelclip::testing
