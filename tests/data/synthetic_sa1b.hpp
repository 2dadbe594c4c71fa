#pragma once

#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/random.hpp"
#include "image/codec.hpp"
#include "image/rle.hpp"
#include "support/support.hpp"

namespace pixelclip::testing {

/// A bitmap with a rectangle of ones.
inline std::vector<uint8_t> rectangle(int64_t height, int64_t width, const Rect& rect) {
  std::vector<uint8_t> bitmap(static_cast<size_t>(height * width));
  for (int64_t y = rect.y; y < rect.y + rect.height; ++y) {
    for (int64_t x = rect.x; x < rect.x + rect.width; ++x) bitmap[y * width + x] = 1;
  }
  return bitmap;
}

inline nlohmann::json annotation(const Rle& rle) {
  return {{"id", 1},
          {"area", rle_area(rle.counts)},
          {"segmentation", {{"size", {rle.height, rle.width}}, {"counts", encode_rle(rle)}}}};
}

inline nlohmann::json sa1b_json(int64_t height, int64_t width,
                                const std::vector<std::vector<uint8_t>>& bitmaps) {
  nlohmann::json json = {{"image", {{"height", height}, {"width", width}, {"image_id", 1}}},
                         {"annotations", nlohmann::json::array()}};
  for (const auto& bitmap : bitmaps) {
    json["annotations"].push_back(annotation(rle_from_bitmap(bitmap, height, width)));
  }
  return json;
}

inline void write_file(const fs::path& path, const std::string& text) {
  fs::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << text;
}

/// Noise that is smooth enough to survive JPEG.
inline Image synthetic_image(int64_t height, int64_t width, uint64_t seed) {
  Image image(height, width, 3);
  Random random(seed);
  const auto phase = static_cast<int64_t>(random.integer(0, 64));
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t x = 0; x < width; ++x) {
      for (int64_t c = 0; c < 3; ++c) {
        image.row(y)[3 * x + c] = static_cast<uint8_t>((3 * x + 2 * y + 40 * c + phase) % 256);
      }
    }
  }
  return image;
}

/// One sample of SA-1B's published layout under `root`, with three masks.
inline void make_sample(const fs::path& root, const std::string& stem, int64_t height,
                        int64_t width, uint64_t seed, const std::string& shard = "sa_000000") {
  fs::create_directories(root / "images" / shard);
  write_jpeg(root / "images" / shard / (stem + ".jpg"), synthetic_image(height, width, seed));
  const int64_t h = height / 2, w = width / 2;
  write_file(root / "annotations" / shard / (stem + ".json"),
             sa1b_json(height, width,
                       {rectangle(height, width, {0, 0, w, h}),
                        rectangle(height, width, {w / 2, h / 2, w, h + 1}),
                        rectangle(height, width, {1, 1, width - 1, height - 1})})
                 .dump());
}

}  // namespace pixelclip::testing
