#include "image/rle.hpp"

#include <array>
#include <nlohmann/json.hpp>
#include <numeric>

#include "base/file.hpp"
#include "base/random.hpp"
#include "support/support.hpp"

namespace pixelclip::testing {
namespace {

using ::testing::HasSubstr;

std::vector<uint8_t> random_bitmap(Random& random, int64_t height, int64_t width) {
  std::vector<uint8_t> bitmap(height * width);
  const double density = random.uniform();
  bool value = random.chance(0.5);
  for (auto& pixel : bitmap) {
    if (random.chance(density)) value = !value;
    pixel = value;
  }
  return bitmap;
}

TEST(Rle, ABitmapSurvivesRunsAndString) {
  Random random(1);
  for (int i = 0; i < 500; ++i) {
    const int64_t height = random.integer(1, 40), width = random.integer(1, 40);
    const auto bitmap = random_bitmap(random, height, width);
    const Rle rle = rle_from_bitmap(bitmap, height, width);
    EXPECT_EQ(rle_to_bitmap(rle), bitmap);
    EXPECT_EQ(decode_rle(encode_rle(rle), height, width), rle);
    EXPECT_EQ(rle_area(rle.counts), std::accumulate(bitmap.begin(), bitmap.end(), int64_t{0}));
  }
}

TEST(Rle, TheStringIsThatOfPycocotools) {
  // [[0,1,0],[1,1,0]] and a mask of 300 x 500 with a block, encoded by pycocotools 2.0.11.
  const uint8_t small[] = {0, 1, 0, 1, 1, 0};
  EXPECT_EQ(encode_rle(rle_from_bitmap(small, 2, 3)), "132");
  std::vector<uint8_t> block(300 * 500, 0);
  for (int y = 20; y < 280; ++y) {
    for (int x = 100; x < 103; ++x) block[y * 500 + x] = 1;
  }
  EXPECT_EQ(encode_rle(rle_from_bitmap(block, 300, 500)), "TZm0T8X1000XYd3");
}

TEST(Rle, RealStringsDecodeAndEncodeToThemselves) {
  SKIP_WITHOUT_SHARED();
  const auto video = read_json(shared_folder() / "data/rle_real_sav.json");
  int seen = 0;
  for (const auto& frame : video["masklet"]) {
    for (const auto& mask : frame) {
      const std::string text = mask["counts"];
      const Rle rle = decode_rle(text, mask["size"][0], mask["size"][1]);
      EXPECT_EQ(encode_rle(rle), text);
      ++seen;
    }
  }
  EXPECT_GT(seen, 100);
}

TEST(Rle, AreaAndBoxAreThoseOfTheBitmap) {
  Random random(2);
  for (int i = 0; i < 500; ++i) {
    const int64_t height = random.integer(1, 20), width = random.integer(1, 20);
    const auto bitmap = random_bitmap(random, height, width);
    int64_t left = width, right = -1, top = height, bottom = -1;
    for (int64_t y = 0; y < height; ++y) {
      for (int64_t x = 0; x < width; ++x) {
        if (!bitmap[y * width + x]) continue;
        left = std::min(left, x), right = std::max(right, x);
        top = std::min(top, y), bottom = std::max(bottom, y);
      }
    }
    const Rle rle = rle_from_bitmap(bitmap, height, width);
    const Rect box = rle_bbox(rle);
    if (right < 0) {
      EXPECT_TRUE(box.empty());
      continue;
    }
    EXPECT_EQ(box.x, left);
    EXPECT_EQ(box.width, right - left + 1);
    EXPECT_EQ(box.y, top);
    EXPECT_EQ(box.height, bottom - top + 1);
  }
}

TEST(Rle, EmptyRunsAreAllowed) {
  std::vector<uint32_t> counts = {2, 0, 0, 0, 1, 3, 0, 0};
  check_rle(counts, 2, 3);
  const Rle rle{2, 3, counts};
  EXPECT_EQ(rle_to_bitmap(rle), (std::vector<uint8_t>{0, 0, 1, 0, 1, 1}));
  EXPECT_EQ(decode_rle(encode_rle(rle), 2, 3), rle);
  EXPECT_EQ(rle_area(rle.counts), 3);
}

TEST(Rle, LabelsBecomeOneMaskAnId) {
  const LabelMap labels{2, 2, {7, 9, 9, 7}};
  EXPECT_EQ(rle_to_bitmap(rle_from_label(labels, 9)), (std::vector<uint8_t>{0, 1, 1, 0}));
  EXPECT_EQ(rle_area(rle_from_label(labels, 8).counts), 0);
}

TEST(Rle, AllIdsOfALabelMapAreEncodedAsEachAlone) {
  Random random(2);
  for (int i = 0; i < 200; ++i) {
    LabelMap labels{random.integer(1, 12), random.integer(1, 12), {}};
    for (int64_t p = 0; p < labels.height * labels.width; ++p) {
      labels.ids.push_back(static_cast<int32_t>(random.integer(-1, 4)));
    }
    const auto masks = rles_from_labels(labels);
    int64_t pixels = 0;
    for (const auto& [id, mask] : masks) {
      EXPECT_EQ(mask, rle_from_label(labels, id)) << id;
      pixels += rle_area(mask.counts);
    }
    EXPECT_EQ(pixels, labels.height * labels.width);
  }
  EXPECT_TRUE(rles_from_labels({0, 0, {}}).empty());
}

TEST(Rle, RunsOfLabelsGoDownTheColumns) {
  const LabelMap labels{2,
                        2,
                        {7, 8,  //
                         7, 7}};
  std::vector<std::array<int64_t, 3>> runs;
  for_each_run(labels, [&](int32_t id, int64_t begin, int64_t end) {
    runs.push_back({id, begin, end});
  });
  EXPECT_EQ(runs, (std::vector<std::array<int64_t, 3>>{{7, 0, 2}, {8, 2, 3}, {7, 3, 4}}));
}

TEST(Rle, TheJsonOfAMaskIsThatOfSa1b) {
  const Rle mask{3, 4, {4, 2, 6}};
  const nlohmann::json annotation = sa1b_annotation(5, mask);
  EXPECT_EQ(annotation["id"], 5);
  EXPECT_EQ(annotation["area"], 2);
  EXPECT_EQ(annotation["bbox"], nlohmann::json({1, 1, 1, 2}));
  EXPECT_EQ(annotation["crop_box"], nlohmann::json({0, 0, 4, 3}));
  EXPECT_EQ(annotation["segmentation"]["size"], nlohmann::json({3, 4}));
  EXPECT_EQ(decode_rle(annotation["segmentation"]["counts"].get<std::string>(), 3, 4), mask);
}

TEST(Rle, DamagedStringsAreErrors) {
  EXPECT_ERROR(decode_rle("4", 2, 3), HasSubstr("sum to 4, but its size 2 x 3 needs 6"));
  EXPECT_ERROR(decode_rle("7", 2, 3), HasSubstr("sum to 7"));
  EXPECT_ERROR(decode_rle("", 2, 3), HasSubstr("sum to 0"));
  EXPECT_ERROR(decode_rle("6\n", 2, 3), HasSubstr("character 1"));
  EXPECT_ERROR(decode_rle("1p", 2, 3), HasSubstr("character 1"));
  EXPECT_ERROR(decode_rle("h", 2, 3), HasSubstr("cut short"));
  EXPECT_ERROR(decode_rle("O", 2, 3), HasSubstr("negative"));
  EXPECT_ERROR(decode_rle("oooooooooo1", 2, 3), HasSubstr("overflows"));
  EXPECT_ERROR(decode_rle(std::string("1\0"
                                      "5",
                                      3),
                          2, 3),
               HasSubstr("character 1"));
  EXPECT_ERROR(decode_rle("6", -2, -3), HasSubstr("cannot be held"));
  EXPECT_ERROR(decode_rle("6", int64_t{1} << 40, int64_t{1} << 40), HasSubstr("cannot be held"));
  EXPECT_ERROR(check_rle(std::vector<uint32_t>{4294967295u, 4294967295u}, 2, 3), HasSubstr("sum"));
  EXPECT_ERROR(rle_from_bitmap(std::vector<uint8_t>(5), 2, 3), HasSubstr("5 bytes"));
}

TEST(Rle, BackgroundToTheEndMayBeMissingWhereThatIsAllowed) {
  std::vector<uint32_t> counts;
  const std::string text = encode_rle({10, 10, {21, 3, 7, 3}});
  EXPECT_ERROR(parse_rle(text, 10, 10, counts), HasSubstr("sum to 34"));
  parse_rle(text, 10, 10, counts, RleEnd::background);
  EXPECT_EQ(counts, (std::vector<uint32_t>{21, 3, 7, 3, 66}));
  counts = {0, 5};
  complete_rle(counts, 2, 3);
  EXPECT_EQ(counts, (std::vector<uint32_t>{0, 5, 1}));
  complete_rle(counts, 2, 3);
  EXPECT_EQ(counts.size(), 3u);
  // Runs that end with background, hold none, or go beyond the size are of another image.
  for (const std::vector<uint32_t>& wrong :
       {std::vector<uint32_t>{1, 2, 2}, {5}, {}, {0, 7}, {3, 3, 1}, {4294967295u, 4294967295u}}) {
    counts = wrong;
    EXPECT_ERROR(complete_rle(counts, 2, 3), HasSubstr("sum"));
    EXPECT_ERROR(parse_rle(encode_rle({2, 3, wrong}), 2, 3, counts, RleEnd::background),
                 HasSubstr("RLE"));
  }
}

TEST(Rle, MutatedStringsNeverCrash) {
  Random random(3);
  std::vector<uint32_t> counts;
  const std::string whole = "TZm0T8X1000XYd3";
  int good = 0, bad = 0;
  for (int i = 0; i < 20000; ++i) {
    std::string text = whole;
    for (int64_t n = random.integer(1, 4); n > 0; --n) {
      const auto at = static_cast<size_t>(random.integer(0, static_cast<int64_t>(text.size())));
      switch (random.integer(0, 3)) {
        case 0:
          text[at] = static_cast<char>(random.integer(0, 256));
          break;
        case 1:
          text.insert(at, 1, static_cast<char>(random.integer(40, 120)));
          break;
        default:
          text.erase(at, 1);
      }
    }
    try {
      parse_rle(text, 300, 500, counts, i % 2 ? RleEnd::background : RleEnd::error);
      EXPECT_EQ(std::accumulate(counts.begin(), counts.end(), int64_t{0}), 300 * 500);
      ++good;
    } catch (const Error&) {
      ++bad;
    }
  }
  EXPECT_GT(bad, 1000);
  EXPECT_GT(good + bad, 0);
}

}  // namespace
}  // namespace pixelclip::testing
