#include "image/mask_sampler.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/random.hpp"
#include "golden_file.hpp"
#include "image/rle.hpp"
#include "support/support.hpp"

namespace pixelclip::testing {
namespace {

struct Bitmap {
  int64_t height, width;
  std::vector<uint8_t> pixels;

  Bitmap(int64_t h, int64_t w) : height(h), width(w), pixels(h * w, 0) {}
  uint8_t& at(int64_t y, int64_t x) { return pixels[y * width + x]; }
  int64_t area() const { return std::count(pixels.begin(), pixels.end(), 1); }
};

/// One random sample: the chain of the reference's steps, and its sizes.
struct Chain {
  int64_t height, width, new_height, new_width;
  Rect crop;
  bool flip, flip_vertically;
  int64_t padded_height, padded_width;
  Rect cut;
  int64_t grid_height, grid_width;

  explicit Chain(Random& r) {
    const auto size = [&](int64_t most) { return r.integer(1, r.chance(0.2) ? 4 : most); };
    height = size(60), width = size(60);
    new_height = size(90), new_width = size(90);
    crop.height = r.integer(1, new_height + 1), crop.width = r.integer(1, new_width + 1);
    crop.y = r.integer(0, new_height - crop.height + 1);
    crop.x = r.integer(0, new_width - crop.width + 1);
    flip = r.chance(0.5), flip_vertically = r.chance(0.2);
    padded_height = std::max(crop.height, size(90)), padded_width = std::max(crop.width, size(90));
    cut = {r.integer(0, padded_width), r.integer(0, padded_height), size(40) - 1, size(40) - 1};
    grid_height = size(150), grid_width = size(150);
  }
};

/// The nearest source of Pillow, which adds up its step.
std::vector<int64_t> pillow_nearest(int64_t in, int64_t out) {
  std::vector<int64_t> sources;
  const double step = static_cast<double>(in) / static_cast<double>(out);
  double at = step * 0.5;
  for (int64_t i = 0; i < out; ++i, at += step) sources.push_back(static_cast<int64_t>(at));
  return sources;
}

/// Every step on whole bitmaps, one after the other.
Bitmap naive_chain(Bitmap mask, const Chain& c) {
  Bitmap resized(c.new_height, c.new_width);
  const auto rows = pillow_nearest(c.height, c.new_height);
  const auto columns = pillow_nearest(c.width, c.new_width);
  for (int64_t y = 0; y < c.new_height; ++y) {
    for (int64_t x = 0; x < c.new_width; ++x) resized.at(y, x) = mask.at(rows[y], columns[x]);
  }
  Bitmap padded(c.padded_height, c.padded_width);
  for (int64_t y = 0; y < c.crop.height; ++y) {
    for (int64_t x = 0; x < c.crop.width; ++x) {
      const int64_t from_x = c.flip ? c.crop.width - 1 - x : x;
      const int64_t from_y = c.flip_vertically ? c.crop.height - 1 - y : y;
      padded.at(y, x) = resized.at(c.crop.y + from_y, c.crop.x + from_x);
    }
  }
  for (int64_t y = c.cut.y; y < std::min(c.cut.y + c.cut.height, c.padded_height); ++y) {
    for (int64_t x = c.cut.x; x < std::min(c.cut.x + c.cut.width, c.padded_width); ++x) {
      padded.at(y, x) = 0;
    }
  }
  Bitmap grid(c.grid_height, c.grid_width);
  const float step_y = static_cast<float>(c.padded_height) / static_cast<float>(c.grid_height);
  const float step_x = static_cast<float>(c.padded_width) / static_cast<float>(c.grid_width);
  for (int64_t y = 0; y < c.grid_height; ++y) {
    for (int64_t x = 0; x < c.grid_width; ++x) {
      const auto from_y =
          std::min(static_cast<int64_t>(static_cast<float>(y) * step_y), c.padded_height - 1);
      const auto from_x =
          std::min(static_cast<int64_t>(static_cast<float>(x) * step_x), c.padded_width - 1);
      grid.at(y, x) = padded.at(from_y, from_x);
    }
  }
  return grid;
}

void prepare(MaskSampler& sampler, const Chain& c) {
  AxisMap rows(c.height), columns(c.width);
  rows.resize(c.new_height).crop(c.crop.y, c.crop.height);
  if (c.flip_vertically) rows.flip();
  rows.pad(c.padded_height).sample(c.grid_height);
  columns.resize(c.new_width).crop(c.crop.x, c.crop.width);
  if (c.flip) columns.flip();
  columns.pad(c.padded_width).sample(c.grid_width);
  sampler.prepare(
      rows, columns,
      covered_cells(c.cut, c.padded_height, c.padded_width, c.grid_height, c.grid_width));
}

Bitmap random_mask(Random& random, int64_t height, int64_t width) {
  Bitmap mask(height, width);
  if (random.chance(0.1)) return mask;
  if (random.chance(0.2)) {  // a single pixel
    mask.at(random.integer(0, height), random.integer(0, width)) = 1;
    return mask;
  }
  const double change = random.uniform();
  uint8_t value = random.chance(0.5);
  for (int64_t x = 0; x < width; ++x) {
    for (int64_t y = 0; y < height; ++y) {
      if (random.chance(change)) value = !value;
      mask.at(y, x) = value;
    }
  }
  return mask;
}

/// The mask's runs with empty ones put in.
std::vector<uint32_t> random_runs(Random& random, const Bitmap& mask) {
  const Rle rle = rle_from_bitmap(mask.pixels, mask.height, mask.width);
  std::vector<uint32_t> counts;
  for (const uint32_t count : rle.counts) {
    counts.push_back(count);
    if (!random.chance(0.1)) continue;
    const auto part = static_cast<uint32_t>(random.integer(0, int64_t{count} + 1));
    counts.back() = part;
    counts.push_back(0);
    counts.push_back(count - part);
  }
  return counts;
}

TEST(MaskSampler, RunsGiveWhatTheChainOnBitmapsGives) {
  Random random(11);
  MaskSampler sampler;
  std::vector<uint8_t> bits;
  for (int i = 0; i < 6000; ++i) {
    const Chain chain(random);
    prepare(sampler, chain);
    const int64_t stride = sampler.row_bytes() + random.integer(0, 3);
    for (int m = 0; m < 2; ++m) {
      const Bitmap mask = random_mask(random, chain.height, chain.width);
      const auto counts = random_runs(random, mask);
      Bitmap expected = naive_chain(mask, chain);
      bits.assign(stride * chain.grid_height, 0xFF);
      const int64_t area = sampler.sample(counts, bits.data(), stride);
      ASSERT_EQ(area, expected.area()) << "case " << i;
      ASSERT_EQ(sampler.area(counts), expected.area()) << "case " << i;
      for (int64_t y = 0; y < chain.grid_height; ++y) {
        for (int64_t x = 0; x < sampler.row_bytes() * 8; ++x) {
          const int bit = bits[y * stride + x / 8] >> (7 - x % 8) & 1;
          ASSERT_EQ(bit, x < chain.grid_width ? expected.at(y, x) : 0)
              << "case " << i << ", row " << y << ", column " << x;
        }
        for (int64_t b = sampler.row_bytes(); b < stride; ++b) {
          ASSERT_EQ(bits[y * stride + b], 0xFF) << "wrote between the rows";
        }
      }
    }
  }
}

TEST(MaskSampler, GivesTheGoldenMasksOfSa1b) {
  SKIP_WITHOUT_SHARED();
  const auto folder = shared_folder() / "golden/data";
  const GoldenFile golden(folder / "sa1b_geometry.safetensors");
  const auto samples = read_json(folder / "sa1b_geometry.json");
  for (size_t s = 0; s < samples.size(); ++s) {
    const auto& sample = samples[s];
    std::string file = sample["file"];
    file.replace(file.find("images"), 6, "annotations").replace(file.size() - 3, 3, "json");
    const auto annotations = read_json(folder / file)["annotations"];
    const std::vector<int64_t> source = sample["source_hw"], resized = sample["resized_hw"],
                               crop = sample["crop_xywh"];
    AxisMap rows(source[0]), columns(source[1]);
    rows.resize(resized[0]).crop(crop[1], crop[3]);
    columns.resize(resized[1]).crop(crop[0], crop[2]);
    if (sample["hflip"]) columns.flip();
    MaskSampler in_crop, in_grid;
    in_crop.prepare(rows, columns);
    in_grid.prepare(rows.sample(256), columns.sample(256));
    const auto areas = golden.bytes(str(s, ".mask_area_640"));
    const auto expected = golden.bytes(str(s, ".mask256_bits"));
    ASSERT_EQ(areas.size(), annotations.size() * 4);
    std::vector<uint8_t> bits(256 * 32);
    for (size_t m = 0; m < annotations.size(); ++m) {
      const auto& mask = annotations[m]["segmentation"];
      const Rle rle =
          decode_rle(mask["counts"].get<std::string>(), mask["size"][0], mask["size"][1]);
      int32_t area = 0;
      std::memcpy(&area, areas.data() + 4 * m, 4);
      EXPECT_EQ(in_crop.area(rle.counts), area) << "sample " << s << ", mask " << m;
      in_grid.sample(rle.counts, bits.data(), 32);
      EXPECT_TRUE(std::equal(bits.begin(), bits.end(), expected.data() + m * bits.size()))
          << "sample " << s << ", mask " << m;
    }
  }
}

TEST(AxisMap, OutsideTheCropLiesBackground) {
  AxisMap map(3);
  map.crop(-1, 6);
  EXPECT_THAT(map.source(), ::testing::ElementsAre(-1, 0, 1, 2, -1, -1));
  map.flip();
  EXPECT_THAT(map.source(), ::testing::ElementsAre(-1, -1, 2, 1, 0, -1));
  map.reset(2).pad(4).sample(2);
  EXPECT_THAT(map.source(), ::testing::ElementsAre(0, -1));
}

TEST(AxisMap, PillowsSumDecidesBetweenTwoPixels) {
  // (207 + 1/2) * 912 / 1245 = 152 exactly; Pillow's sum stays below.
  EXPECT_EQ(AxisMap(912).resize(1245).source()[207], 151);
  EXPECT_EQ(AxisMap(2).resize(1).source()[0], 1);
}

TEST(AxisMap, RefusesAnAxisThatIndicesCannotCount) {
  EXPECT_ERROR(AxisMap(-1), ::testing::HasSubstr("cannot be mapped"));
  EXPECT_ERROR(AxisMap(int64_t{1} << 40), ::testing::HasSubstr("cannot be mapped"));
}

}  // namespace
}  // namespace pixelclip::testing
