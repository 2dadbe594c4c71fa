#include "pixelclip/data/sa1b_masks.hpp"

#include "data/made_sa1b.hpp"
#include "pixelclip/base/file.hpp"

namespace pixelclip {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using namespace testing;

MaskRuns parse(const std::string& text, int64_t max_masks = 512) {
  MaskRuns out;
  Sa1bMaskReader().parse(text, "a.json", max_masks, out);
  return out;
}

std::vector<int64_t> areas(const MaskRuns& masks) {
  std::vector<int64_t> out;
  for (const auto& mask : masks.masks) out.push_back(mask.area);
  return out;
}

TEST(Sa1bMasks, ComeLargestFirstWithoutEmptyOnesAndCrowds) {
  auto json = sa1b_json(4, 6, {rectangle(4, 6, {0, 0, 2, 2}), rectangle(4, 6, {0, 0, 0, 0}),
                               rectangle(4, 6, {1, 1, 5, 3}), rectangle(4, 6, {0, 0, 1, 1}),
                               rectangle(4, 6, {0, 0, 6, 4})});
  json["annotations"][4]["iscrowd"] = 1;
  json["annotations"][0]["iscrowd"] = 0;
  const MaskRuns masks = parse(json.dump());
  EXPECT_EQ(masks.height, 4);
  EXPECT_EQ(masks.width, 6);
  EXPECT_EQ(areas(masks), (std::vector<int64_t>{15, 4, 1}));
  const auto runs = masks.runs(masks.masks[1]);
  EXPECT_EQ(std::vector<uint32_t>(runs.begin(), runs.end()), (std::vector<uint32_t>{0, 2, 2, 2, 18}));
  EXPECT_EQ(areas(parse(json.dump(), 2)), (std::vector<int64_t>{15, 4}));
}

TEST(Sa1bMasks, EqualAreasKeepTheFilesOrder) {
  const MaskRuns masks = parse(sa1b_json(3, 3, {rectangle(3, 3, {2, 0, 1, 1}),
                                                rectangle(3, 3, {0, 0, 1, 1})}).dump());
  EXPECT_EQ(masks.runs(masks.masks[0])[0], 6u);
  EXPECT_EQ(masks.runs(masks.masks[1])[0], 0u);
}

TEST(Sa1bMasks, AreReadFromAnyOrderOfMembersEscapesAndPlainRuns) {
  const MaskRuns masks = parse(R"( {"annotations" : [ {"segmentation":{"counts":[1, 2, 6],"size":[3,3]},
      "note": "a\"b\\\u00e9\ud83d\ude00", "other": [{}, [], null, -1.5e3, true]} ,
      {"segmentation": {"\u0073ize": [3.0, 3], "counts": [0, 9]}, "iscrowd": false}],
      "image": {"width": 3, "height": 3}}  )");
  EXPECT_EQ(areas(masks), (std::vector<int64_t>{9, 2}));
}

TEST(Sa1bMasks, AFileWithoutMasksIsNoError) {
  EXPECT_TRUE(parse("\xEF\xBB\xBF" R"({"image":{"height":2,"width":3},"annotations":[]})").masks.empty()) << "a byte order mark";
  EXPECT_TRUE(parse(R"({"image":{"height":2,"width":3},"annotations":[]})").masks.empty());
}

TEST(Sa1bMasks, WhatIsNotSoIsAnErrorThatNamesThePlace) {
  const auto masks = [](const std::string& annotation) {
    return R"({"image":{"height":3,"width":3},"annotations":[)" + annotation + "]}";
  };
  EXPECT_ERROR(parse(""), AllOf(StartsWith("a.json"), HasSubstr("cut short")));
  EXPECT_ERROR(parse("\n [1]"), AllOf(StartsWith("a.json:2:2"), HasSubstr("an object")));
  EXPECT_ERROR(parse("{}"), HasSubstr("\"annotations\""));
  EXPECT_ERROR(parse(R"({"annotations":[]} x)"), HasSubstr("end of the file"));
  EXPECT_ERROR(parse(masks("{}")), HasSubstr("annotation 0 has no run-length mask"));
  EXPECT_ERROR(parse(masks(R"({"segmentation":[[1,2,3]]})")), HasSubstr("x, y pairs"));
  EXPECT_ERROR(parse(masks(R"({"segmentation":{"size":[3,3],"counts":[1,2,5]}})")),
               HasSubstr("annotation 0"));
  EXPECT_ERROR(parse(masks(R"({"segmentation":{"size":[3,3],"counts":[-1,10]}})")),
               HasSubstr("at least 0"));
  EXPECT_ERROR(parse(masks(R"({"segmentation":{"size":[3,3],"counts":"0z"}})")),
               HasSubstr("annotation 0"));
  EXPECT_ERROR(parse(masks(R"({"segmentation":{"size":[3,4],"counts":[0,12]}})")),
               AllOf(HasSubstr("3×4"), HasSubstr("3×3")));
  EXPECT_ERROR(parse(masks(R"({"segmentation":{"size":[3,3],"counts":[9]}},
                              {"segmentation":{"size":[4,3],"counts":[12]}})")),
               HasSubstr("annotation 1"));
  EXPECT_ERROR(parse(masks(R"({"segmentation":{"size":[3],"counts":[9]}})")),
               HasSubstr("[height, width]"));
  EXPECT_ERROR(parse(masks(R"({"segmentation":{"size":[3e9,3],"counts":[9]}})")),
               HasSubstr("a side of 1 to"));
  EXPECT_ERROR(parse(std::string(100000, '[')), HasSubstr("an object"));
  EXPECT_ERROR(parse(R"({"x":)" + std::string(100000, '[')), HasSubstr("levels"));
}

TEST(Sa1bMasks, EveryCutAndManyDamagesAreErrorsOrHarmless) {
  const std::string whole = sa1b_json(20, 30, {rectangle(20, 30, {3, 4, 9, 9}),
                                               rectangle(20, 30, {0, 0, 30, 20})}).dump();
  for (size_t length = 0; length < whole.size(); ++length) {
    EXPECT_ERROR(parse(whole.substr(0, length)), StartsWith("a.json"));
  }
  Random random(5);
  int refused = 0;
  for (int round = 0; round < 3000; ++round) {
    std::string text = whole;
    for (int64_t flips = random.integer(1, 4); flips > 0; --flips) {
      text[random.integer(0, text.size())] = static_cast<char>(random.integer(0, 256));
    }
    try {
      const MaskRuns masks = parse(text);
      for (const auto& mask : masks.masks) {
        int64_t sum = 0;
        for (const uint32_t run : masks.runs(mask)) sum += run;
        ASSERT_EQ(sum, masks.height * masks.width) << text;
      }
    } catch (const Error&) {
      ++refused;
    }
  }
  EXPECT_GT(refused, 1500);
}

TEST(Sa1bMasks, AgreeWithAGeneralJsonParserOnRealFiles) {
  SKIP_WITHOUT_SHARED();
  Sa1bMaskReader reader;
  MaskRuns masks;
  int files = 0;
  for (const auto& entry :
       fs::directory_iterator(shared_folder() / "data/sa1b_750/resized_annotations/sa_000000")) {
    if (++files > 5) break;
    reader.read(entry.path(), 512, masks);
    std::vector<std::vector<uint32_t>> expected;
    const auto json = read_json(entry.path());
    for (const auto& item : json["annotations"]) {
      const auto& s = item["segmentation"];
      const Rle rle = decode_rle(s["counts"].get<std::string>(), s["size"][0], s["size"][1]);
      if (rle_area(rle.counts) > 0) expected.push_back(rle.counts);
    }
    std::stable_sort(expected.begin(), expected.end(), [](const auto& a, const auto& b) {
      return rle_area(a) > rle_area(b);
    });
    ASSERT_EQ(masks.masks.size(), expected.size());
    for (size_t i = 0; i < expected.size(); ++i) {
      const auto runs = masks.runs(masks.masks[i]);
      ASSERT_TRUE(std::equal(runs.begin(), runs.end(), expected[i].begin(), expected[i].end()));
    }
  }
  EXPECT_GT(files, 3);
}

}  // namespace
}  // namespace pixelclip
