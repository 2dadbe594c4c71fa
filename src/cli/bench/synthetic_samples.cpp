#include "cli/bench/synthetic_samples.hpp"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numbers>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/parallel.hpp"
#include "base/random.hpp"
#include "image/codec.hpp"
#include "image/polygon.hpp"
#include "image/resize.hpp"
#include "image/rle.hpp"

namespace pixelclip::cli {
namespace {

constexpr int kMasks = 100;

/// Smooth colors with noise.
Image make_ground(int64_t height, int64_t width, Random& random) {
  Image coarse(height / 60 + 2, width / 60 + 2, 3);
  for (uint8_t& value : coarse.pixels) value = static_cast<uint8_t>(random.integer(40, 216));
  Image image = resize_bilinear(coarse, height, width);
  for (uint8_t& value : image.pixels) {
    value = static_cast<uint8_t>(std::clamp<int64_t>(value + random.integer(-5, 6), 0, 255));
  }
  return image;
}

/// Polygon of a disc with a wavy outline.
std::vector<double> make_outline(int64_t height, int64_t width, Random& random) {
  constexpr int kCorners = 96;
  const double size =
      static_cast<double>(std::min(height, width)) * std::pow(random.uniform(), 2) * 0.3 + 6;
  const double x = random.uniform() * static_cast<double>(width),
               y = random.uniform() * static_cast<double>(height);
  const double waves = static_cast<double>(random.integer(2, 12)),
               depth = random.uniform(0.0, 0.25);
  const double tall = random.uniform(0.5, 2.0);
  std::vector<double> points;
  for (int i = 0; i < kCorners; ++i) {
    const double angle = 2 * std::numbers::pi * i / kCorners;
    const double radius = size * (1 + depth * std::sin(waves * angle));
    points.push_back(x + radius * std::cos(angle));
    points.push_back(y + tall * radius * std::sin(angle));
  }
  return points;
}

/// Blends a random color into the pixels of a mask.
void tint(Image& image, const std::vector<uint32_t>& counts, Random& random) {
  int color[3];
  for (int& c : color) c = static_cast<int>(random.integer(0, 256));
  int64_t end = 0;
  for (size_t i = 1; i < counts.size(); i += 2) {
    int64_t at = end + counts[i - 1];
    for (end = at + counts[i]; at < end; ++at) {
      uint8_t* pixel = image.row(at % image.height) + at / image.height * 3;
      for (int c = 0; c < 3; ++c) pixel[c] = static_cast<uint8_t>((pixel[c] + color[c]) / 2);
    }
  }
}

}  // namespace

void make_samples(const std::filesystem::path& root, int64_t count, int64_t height, int64_t width) {
  std::filesystem::create_directories(root / "images/sa_000000");
  std::filesystem::create_directories(root / "annotations/sa_000000");
  parallel_for(count, 0, [&](int64_t i) {
    Random random(1, 0, static_cast<uint64_t>(i));
    Image image = make_ground(height, width, random);
    nlohmann::json annotations = nlohmann::json::array();
    PolygonFiller filler;
    Rle rle{height, width, {}};
    while (annotations.size() < kMasks) {
      const auto outline = make_outline(height, width, random);
      filler.fill(outline, std::vector<uint32_t>{static_cast<uint32_t>(outline.size() / 2)}, height,
                  width, rle.counts);
      if (rle_area(rle.counts) == 0) continue;
      tint(image, rle.counts, random);
      annotations.push_back(sa1b_annotation(static_cast<int64_t>(annotations.size()), rle));
    }
    const std::string stem = str("sa_", i);
    write_jpeg(root / "images/sa_000000" / (stem + ".jpg"), image, 90);
    write_json(
        root / "annotations/sa_000000" / (stem + ".json"),
        {{"image",
          {{"image_id", i}, {"height", height}, {"width", width}, {"file_name", stem + ".jpg"}}},
         {"annotations", annotations}});
  });
}

}  // namespace pixelclip::cli
