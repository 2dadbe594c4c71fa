#include "image/resize.hpp"

#include <cmath>
#include <nlohmann/json.hpp>

#include "golden_file.hpp"
#include "image/codec.hpp"
#include "support/support.hpp"
#include "synthetic_image.hpp"

namespace pixelclip::testing {
namespace {

using ::testing::HasSubstr;

/// One axis by the definition, a value at a time.
Image resize_columns(const Image& in, int64_t width) {
  Image out(in.height, width, in.channels);
  const double scale = static_cast<double>(in.width) / static_cast<double>(width);
  const double support = std::max(scale, 1.0);
  for (int64_t x = 0; x < width; ++x) {
    const double centre = (static_cast<double>(x) + 0.5) * scale;
    const auto first = std::max<int64_t>(0, static_cast<int64_t>(centre - support + 0.5));
    const auto last = std::min(in.width, static_cast<int64_t>(centre + support + 0.5));
    std::vector<double> weights;
    double sum = 0;
    for (int64_t i = first; i < last; ++i) {
      const double distance = (static_cast<double>(i) - centre + 0.5) * (1.0 / support);
      weights.push_back(std::max(0.0, 1 - std::abs(distance)));
      sum += weights.back();
    }
    for (int64_t y = 0; y < in.height; ++y) {
      for (int64_t c = 0; c < in.channels; ++c) {
        int64_t value = 1 << 21;
        for (int64_t i = first; i < last; ++i) {
          value += in.row(y)[i * in.channels + c] *
                   static_cast<int64_t>(0.5 + weights[i - first] / sum * (1 << 22));
        }
        out.row(y)[x * in.channels + c] = static_cast<uint8_t>(value >> 22);
      }
    }
  }
  return out;
}

Image transposed(const Image& in) {
  Image out(in.width, in.height, in.channels);
  for (int64_t y = 0; y < in.height; ++y) {
    for (int64_t x = 0; x < in.width; ++x) {
      std::copy_n(in.row(y) + x * in.channels, in.channels, out.row(x) + y * in.channels);
    }
  }
  return out;
}

Image resize_by_definition(const Image& in, int64_t height, int64_t width) {
  return transposed(resize_columns(transposed(resize_columns(in, width)), height));
}

TEST(Resize, EqualsItsDefinition) {
  Random random(5);
  for (int i = 0; i < 300; ++i) {
    const int64_t channels = random.chance(0.3) ? 1 : 3;
    const Image image =
        synthetic_image(random.integer(1, 70), random.integer(1, 70), channels, random.next());
    const int64_t height = random.integer(1, 100), width = random.integer(1, 100);
    ASSERT_EQ(largest_difference(resize_bilinear(image, height, width),
                                 resize_by_definition(image, height, width)),
              0)
        << image.height << " x " << image.width << " to " << height << " x " << width;
  }
}

TEST(Resize, EqualsPillow) {
  // Fingerprints of Image.resize(BILINEAR) of Pillow 10.4.
  const Image image = synthetic_image(75, 113);
  EXPECT_EQ(fingerprint(image.pixels), 0x3a06fca00552c318ull);
  EXPECT_EQ(fingerprint(resize_bilinear(image, 102, 154).pixels), 0x8bc08362fa08c926ull);
  EXPECT_EQ(fingerprint(resize_bilinear(image, 30, 47).pixels), 0xc25150cd3fef0af0ull);
  EXPECT_EQ(fingerprint(resize_bilinear(image, 75, 40).pixels), 0x66c0e4e413b9c707ull);
}

TEST(Resize, ACropOfAPartIsACropOfTheWhole) {
  Random random(6);
  Resizer resizer;
  Image out;
  for (int i = 0; i < 1000; ++i) {
    const Image image = synthetic_image(random.integer(1, 50), random.integer(1, 50),
                                        random.chance(0.3) ? 1 : 3, i);
    const int64_t height = random.integer(1, 90), width = random.integer(1, 90);
    Rect crop{0, 0, random.integer(1, width + 1), random.integer(1, height + 1)};
    crop.x = random.integer(0, width - crop.width + 1);
    crop.y = random.integer(0, height - crop.height + 1);
    Image expected = cut(resize_bilinear(image, height, width), crop);
    ASSERT_EQ(largest_difference(resize_crop(image, height, width, crop), expected), 0);

    // Only what source_rect asks for is there; a sanitizer sees any step beyond it.
    const Rect needed = source_rect(image.height, image.width, height, width, crop);
    const ImageRegion part{cut(image, needed), needed, image.height, image.width};
    const bool flip = random.chance(0.5);
    resizer.resize_crop(part, height, width, crop, flip, out);
    if (flip) flip_horizontally(expected);
    ASSERT_EQ(largest_difference(out, expected), 0);
  }
}

TEST(Resize, GivesTheGoldenCropsOfSa1b) {
  SKIP_WITHOUT_SHARED();
  const auto folder = shared_folder() / "golden/data";
  const GoldenFile golden(folder / "sa1b_geometry.safetensors");
  const auto samples = read_json(folder / "sa1b_geometry.json");
  for (size_t s = 0; s < samples.size(); ++s) {
    const auto& sample = samples[s];
    const std::vector<int64_t> resized = sample["resized_hw"], crop = sample["crop_xywh"];
    const Rect rect{crop[0], crop[1], crop[2], crop[3]};
    const MappedFile file(folder / sample["file"].get<std::string>());
    const ImageInfo info = probe(file.bytes(), "sample");
    EXPECT_EQ(shortest_edge_size(info.height, info.width, 1024, 1333),
              std::pair(resized[0], resized[1]));
    ImageRegion region;
    decode_rgb_region(file.bytes(), "sample",
                      source_rect(info.height, info.width, resized[0], resized[1], rect), {},
                      region);
    Image image, expected(rect.height, rect.width, 3);
    Resizer().resize_crop(region, resized[0], resized[1], rect, sample["hflip"], image);
    const auto bytes = golden.bytes(str(s, ".image"));
    expected.pixels.assign(bytes.begin(), bytes.end());
    EXPECT_EQ(largest_difference(image, expected), 0) << "sample " << s;
  }
}

TEST(Resize, RefusesCropsOutsideAndPartsThatAreTooSmall) {
  const Image image = synthetic_image(10, 10);
  EXPECT_ERROR(resize_crop(image, 20, 20, {15, 0, 6, 5}), HasSubstr("not inside"));
  EXPECT_ERROR(resize_crop(image, 20, 20, {0, 0, 0, 5}), HasSubstr("not inside"));
  EXPECT_ERROR(resize_crop(Image(), 20, 20, {0, 0, 5, 5}), HasSubstr("empty"));
  Image out;
  const ImageRegion part{cut(image, {0, 0, 5, 10}), {0, 0, 5, 10}, 10, 10};
  EXPECT_ERROR(Resizer().resize_crop(part, 20, 20, {8, 0, 5, 5}, false, out),
               HasSubstr("does not hold"));
}

TEST(Resize, ShortestEdgeRoundsAsDetectron2) {
  using Size = std::pair<int64_t, int64_t>;
  EXPECT_EQ(shortest_edge_size(750, 1139, 1024, 1333), Size(878, 1333));
  EXPECT_EQ(shortest_edge_size(750, 927, 1024, 1333), Size(1024, 1266));
  EXPECT_EQ(shortest_edge_size(480, 640, 640, 2560), Size(640, 853));
  EXPECT_EQ(shortest_edge_size(1, 5000, 640, 2560), Size(1, 2560));
  EXPECT_ERROR(shortest_edge_size(0, 5, 640, 2560), HasSubstr("cannot be resized"));
}

TEST(Resize, PaddingKeepsTheImageAndFillsTheRest) {
  const Image image = synthetic_image(7, 9);
  Image padded = image;
  pad(padded, 12, 10, 128);
  EXPECT_EQ(largest_difference(cut(padded, {0, 0, 9, 7}), image), 0);
  EXPECT_EQ(std::count(padded.pixels.begin(), padded.pixels.end(), 128) -
                std::count(image.pixels.begin(), image.pixels.end(), 128),
            (12 * 10 - 7 * 9) * 3);
  pad(padded, 3, 3, 0);
  EXPECT_EQ(padded.height, 12);
}

}  // namespace
}  // namespace pixelclip::testing
