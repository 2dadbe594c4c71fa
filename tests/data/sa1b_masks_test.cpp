#include "data/sa1b_masks.hpp"

#include "base/file.hpp"
#include "data/synthetic_sa1b.hpp"

namespace pixelclip {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using namespace testing;

MaskRuns parse(const std::string& text, int64_t max_masks = 512, const MaskSource& source = {}) {
  MaskRuns out;
  Sa1bMaskReader().parse(text, "a.json", max_masks, out, source);
  return out;
}

/// A file for an image of 10×10: the annotation with id 5, then a good mask of one pixel.
std::string beside_a_good_one(const std::string& members) {
  return R"({"image":{"height":10,"width":10},"annotations":[{"id":5,)" + members +
         R"(},{"id":6,"segmentation":{"size":[10,10],"counts":[0,1,99]}}]})";
}

std::vector<int64_t> areas(const MaskRuns& masks) {
  std::vector<int64_t> out;
  for (const auto& mask : masks.masks) out.push_back(mask.area);
  return out;
}

TEST(Sa1bMasks, ComeLargestFirstWithoutEmptyOnes) {
  auto json = sa1b_json(4, 6,
                        {rectangle(4, 6, {0, 0, 2, 2}), rectangle(4, 6, {0, 0, 0, 0}),
                         rectangle(4, 6, {1, 1, 5, 3}), rectangle(4, 6, {0, 0, 1, 1})});
  const MaskRuns masks = parse(json.dump());
  EXPECT_EQ(masks.height, 4);
  EXPECT_EQ(masks.width, 6);
  EXPECT_EQ(areas(masks), (std::vector<int64_t>{15, 4, 1}));
  const auto runs = masks.runs(masks.masks[1]);
  EXPECT_EQ(std::vector<uint32_t>(runs.begin(), runs.end()),
            (std::vector<uint32_t>{0, 2, 2, 2, 18}));
  EXPECT_EQ(areas(parse(json.dump(), 2)), (std::vector<int64_t>{15, 4}));
}

TEST(Sa1bMasks, CrowdRegionsAreMasksUnlessTheyAreLeftOutAndCounted) {
  auto json = sa1b_json(4, 6,
                        {rectangle(4, 6, {0, 0, 2, 2}), rectangle(4, 6, {0, 0, 6, 4}),
                         rectangle(4, 6, {1, 1, 5, 3})});
  for (const nlohmann::json& yes :
       {nlohmann::json(1), nlohmann::json(true), nlohmann::json("1"), nlohmann::json(1.0)}) {
    json["annotations"][1]["iscrowd"] = yes;
    EXPECT_EQ(areas(parse(json.dump())), (std::vector<int64_t>{24, 15, 4}));
    const MaskRuns masks = parse(json.dump(), 512, {.crowds = false});
    EXPECT_EQ(areas(masks), (std::vector<int64_t>{15, 4}));
    EXPECT_EQ(masks.left_out.crowds, 1);
    EXPECT_EQ(masks.left_out.unusable, 0);
  }
  for (const nlohmann::json& no :
       {nlohmann::json(0), nlohmann::json(false), nlohmann::json("0"), nlohmann::json(nullptr)}) {
    json["annotations"][1]["iscrowd"] = no;
    EXPECT_EQ(areas(parse(json.dump(), 512, {.crowds = false})), (std::vector<int64_t>{24, 15, 4}));
  }
}

TEST(Sa1bMasks, EqualAreasKeepTheFilesOrder) {
  const MaskRuns masks =
      parse(sa1b_json(3, 3, {rectangle(3, 3, {2, 0, 1, 1}), rectangle(3, 3, {0, 0, 1, 1})}).dump());
  EXPECT_EQ(masks.runs(masks.masks[0])[0], 6u);
  EXPECT_EQ(masks.runs(masks.masks[1])[0], 0u);
}

TEST(Sa1bMasks, AreReadFromAnyOrderOfMembersEscapesAndPlainRuns) {
  const MaskRuns masks =
      parse(R"( {"annotations" : [ {"segmentation":{"counts":[1, 2, 6],"size":[3,3]},
      "note": "a\"b\\\u00e9\ud83d\ude00", "other": [{}, [], null, -1.5e3, true]} ,
      {"segmentation": {"\u0073ize": [3.0, 3], "counts": [0, 9]}, "iscrowd": false}],
      "image": {"width": 3, "height": 3}}  )");
  EXPECT_EQ(areas(masks), (std::vector<int64_t>{9, 2}));
}

TEST(Sa1bMasks, AFileWithoutMasksIsNoError) {
  EXPECT_TRUE(parse("\xEF\xBB\xBF"
                    R"({"image":{"height":2,"width":3},"annotations":[]})")
                  .masks.empty())
      << "a byte order mark";
  EXPECT_TRUE(parse(R"({"image":{"height":2,"width":3},"annotations":[]})").masks.empty());
}

TEST(Sa1bMasks, InvalidContentIsAnErrorThatNamesThePlace) {
  EXPECT_ERROR(parse(""), AllOf(StartsWith("a.json"), HasSubstr("cut short")));
  EXPECT_ERROR(parse("\n 1"), AllOf(StartsWith("a.json:2:2"), HasSubstr("an object")));
  EXPECT_ERROR(parse("{}"), HasSubstr("\"annotations\""));
  EXPECT_ERROR(parse(R"({"annotations":[]} x)"), HasSubstr("end of the file"));
  EXPECT_ERROR(parse(R"({"annotations":[{"id":77,"area":1,}]})"),
               AllOf(StartsWith("a.json: "), HasSubstr("annotation 0 (id 77) at byte 34"),
                     HasSubstr("a string")));
  EXPECT_ERROR(parse(R"({"annotations":[{"id":"x7","area":)"),
               HasSubstr("cut short in annotation 0 (id x7)"));
  EXPECT_ERROR(parse(std::string(100000, '[')), HasSubstr("levels"));
  EXPECT_ERROR(parse(R"({"x":)" + std::string(100000, '[')), HasSubstr("levels"));
  EXPECT_ERROR(parse(R"({"images":[{"id":1},{"id":2}],"annotations":[]})"),
               HasSubstr("lists 2 images"));
  // Sizes that disagree would put masks elsewhere: no use of the file at all.
  EXPECT_ERROR(parse(beside_a_good_one(R"("segmentation":{"size":[10,11],"counts":[0,110]})")),
               AllOf(HasSubstr("annotation 0 (id 5)"), HasSubstr("10×11"), HasSubstr("10×10")));
  EXPECT_ERROR(
      parse(
          R"({"image":{"height":3,"width":4},"annotations":[{"segmentation":{"size":[4,3],"counts":[0,12]}}]})"),
      HasSubstr("4×3"));
  EXPECT_ERROR(
      parse(
          R"({"annotations":[{"segmentation":{"size":[4,3],"counts":[0,12]}}],"image":{"height":3,"width":4}})"),
      AllOf(HasSubstr("4×3"), HasSubstr("3×4")));
}

TEST(Sa1bMasks, AnAnnotationWithoutAUsableMaskIsLeftOutAlone) {
  const std::vector<std::pair<std::string, std::string>> unusable = {
      {R"("area":3)", "has no mask"},
      {R"("bbox":[1,2,3,4])", "has no mask"},
      {R"("segmentation":null)", "has no mask"},
      {R"("segmentation":[])", "has no mask"},
      {R"("segmentation":[[]])", "has no mask"},
      {R"("segmentation":{})", "has no mask"},
      {R"("segmentation":true)", "has no mask"},
      {R"("segmentation":"10 10 20 10 20 20")", "has no mask"},
      {R"("segmentation":{"size":[10,10],"counts":null})", "has no mask"},
      {R"("segmentation":[[1,1,5,5]])", "three points"},
      {R"("segmentation":[1,1,5,5])", "three points"},
      {R"("segmentation":[[1,1],[5,5]])", "three points"},
      {R"("segmentation":[[1,1,5,1,5]])", "three points"},
      {R"("segmentation":[[1,1,"x",1,5,5]])", "coordinate"},
      {R"("segmentation":[[1,1,null,1,5,5]])", "coordinate"},
      {R"("segmentation":[[1,1,NaN,1,5,5]])", "coordinate"},
      {R"("segmentation":[[1,1,-Infinity,1,5,5]])", "coordinate"},
      {R"("segmentation":[[1,1,1e400,1,5,5]])", "coordinate"},
      {R"("segmentation":[[1,1,1e300,1,5,5]])", "coordinate"},
      {R"("segmentation":[1,2,[3,4],5,6,7,8])", "beside lists"},
      {R"("segmentation":{"size":[10,10],"counts":[0,60,60]})", "sum to 120"},
      {R"("segmentation":{"size":[10,10],"counts":[0,5,20]})", "sum to 25"},
      {R"("segmentation":{"size":[10,10],"counts":[]})", "sum to 0"},
      {R"("segmentation":{"size":[10,10],"counts":[-1,101]})", "at least 0"},
      {R"("segmentation":{"size":[10,10],"counts":[0.5,99.5]})", "at least 0"},
      {R"("segmentation":{"size":[10,10],"counts":[1e400]})", "at least 0"},
      {R"("segmentation":{"size":[10,10],"counts":"0z"})", "RLE"},
      {R"("segmentation":{"size":[10,10],"counts":"1 2 x"})", "neither an RLE string"},
      {R"("segmentation":{"size":[10],"counts":[100]})", "[height, width]"},
      {R"("segmentation":{"size":[0,10],"counts":[0]})", "[height, width]"},
      {R"("segmentation":{"size":[3e9,3],"counts":[9]})", "1048576"},
      {R"("segmentation":[{"size":[10,10],"counts":[0,100]},{"size":[10,10],"counts":[0,100]}])",
       "more than one"},
  };
  for (const auto& [members, why] : unusable) {
    SCOPED_TRACE(members);
    const MaskRuns masks = parse(beside_a_good_one(members));
    EXPECT_EQ(areas(masks), (std::vector<int64_t>{1}));
    EXPECT_EQ(masks.left_out.unusable, 1);
    EXPECT_THAT(masks.left_out.first,
                AllOf(StartsWith("a.json: annotation 0 (id 5) "), HasSubstr(why)));
  }
  EXPECT_EQ(
      parse(R"({"annotations":[null,7,"x",[]],"image":{"height":2,"width":2}})").left_out.unusable,
      4);
}

TEST(Sa1bMasks, AFileOfBrokenMasksAloneIsAnErrorAndOneOfNoMasksIsEmpty) {
  EXPECT_ERROR(
      parse(R"({"annotations":[{"id":9,"segmentation":{"size":[3,3],"counts":[1,2,5]}}]})"),
      AllOf(HasSubstr("a.json: none of its annotations"), HasSubstr("annotation 0 (id 9)"),
            HasSubstr("sum to 8")));
  const MaskRuns boxes = parse(R"([{"bbox":[1,2,3,4]},{"bbox":[1,2,3,4]}])");
  EXPECT_TRUE(boxes.masks.empty());
  EXPECT_EQ(boxes.left_out.unusable, 2);
}

TEST(Sa1bMasks, PolygonsAreReadInEveryFormThatToolsWrite) {
  for (const char* segmentation :
       {"[[2,1,8,1,8,4,2,4]]", "[2,1,8,1,8,4,2,4]", "[[2,1],[8,1],[8,4],[2,4]]",
        "[[[2,1],[8,1],[8,4],[2,4]]]", "[[[[2,1],[8,1],[8,4],[2,4]]]]",
        R"([{"x":2,"y":1},{"x":8,"y":1},{"y":4,"x":8},{"x":2,"y":4}])",
        R"([["2","1","8","1","8","4","2","4"]])", R"(["2.0"," 1 ","8","1","8","4","2","4"])",
        "[[2,1,8,1,8,4,2,4],[3,3]]", "[[2,1,8,1,8,4,2,4],[],[3,3,4,4,5]]",
        "[[2,1,5,1,5,4,2,4],[5,1,8,1,8,4,5,4]]"}) {
    const MaskRuns masks = parse(beside_a_good_one(str("\"segmentation\":", segmentation)));
    EXPECT_EQ(areas(masks), (std::vector<int64_t>{18, 1})) << segmentation;
    EXPECT_EQ(masks.left_out.unusable, 0) << segmentation;
  }
}

TEST(Sa1bMasks, RunLengthsAreReadInEveryFormThatToolsWrite) {
  const std::string text = encode_rle(rle_from_bitmap(rectangle(10, 10, {2, 1, 6, 3}), 10, 10));
  const std::string list = "[21,3,7,3,7,3,7,3,7,3,7,3,26]";
  for (const std::string& segmentation :
       {R"({"size":[10,10],"counts":")" + text + "\"}",
        R"({"size":[10,10],"counts":"b')" + text + "'\"}",
        R"({"size":[10,10],"counts":"b\")" + text + R"(\""})",
        R"({"size":[10,10],"counts":")" + text + R"(\n"})",
        R"({"size":[10,10],"counts":)" + list + "}", R"({"size":[10,10],"counts":")" + list + "\"}",
        std::string(R"({"size":[10,10],"counts":"21 3 7 3 7 3 7 3 7 3 7 3 26"})"),
        std::string(R"({"size":["10","10"],"counts":["21",3,7,3,7,3,7,3,7,3,7,3,26]})"),
        std::string(
            R"({"size":[10,10],"counts":[21,3,7,3,7,3,7,3,7,3,7,3]})"),  // no background behind
        R"({"counts":)" + list + "}", R"({"size":null,"counts":)" + list + "}",
        R"([{"size":[10,10],"counts":)" + list + "}]"}) {
    const MaskRuns masks = parse(beside_a_good_one("\"segmentation\":" + segmentation));
    EXPECT_EQ(areas(masks), (std::vector<int64_t>{18, 1})) << segmentation;
    const auto runs = masks.runs(masks.masks[0]);
    EXPECT_EQ(std::vector<uint32_t>(runs.begin(), runs.end()),
              (std::vector<uint32_t>{21, 3, 7, 3, 7, 3, 7, 3, 7, 3, 7, 3, 26}))
        << segmentation;
  }
  // A backslash is a character of the code: Python's b'…' shows it twice.
  Rle rle{100, 100, {44, 9956}};
  ASSERT_EQ(encode_rle(rle).find('\\'), 0u);
  std::string shown = "b'";
  for (const char c : encode_rle(rle)) shown += c == '\\' ? "\\\\" : std::string(1, c);
  const nlohmann::json json = {{"segmentation", {{"size", {100, 100}}, {"counts", shown + "'"}}}};
  EXPECT_EQ(areas(parse("[" + json.dump() + "]")), (std::vector<int64_t>{9956}));
}

TEST(Sa1bMasks, TheListOfSamsScriptIsRead) {
  const auto json = sa1b_json(4, 6, {rectangle(4, 6, {0, 0, 2, 2}), rectangle(4, 6, {1, 1, 5, 3})});
  const MaskRuns masks = parse(json["annotations"].dump());
  EXPECT_EQ(areas(masks), (std::vector<int64_t>{15, 4}));
  EXPECT_EQ(masks.height, 4);
  EXPECT_EQ(masks.width, 6);
  EXPECT_TRUE(parse("[]").masks.empty());
  const nlohmann::json keyed = {
      {"annotations", {{"a", json["annotations"][0]}, {"b", json["annotations"][1]}}}};
  EXPECT_EQ(areas(parse(keyed.dump())), (std::vector<int64_t>{15, 4}));
}

TEST(Sa1bMasks, LabelMesPolygonsAreReadAndItsOtherShapesLeftOutAlone) {
  const MaskRuns masks = parse(R"({"version":"5.2.1","flags":{},"shapes":[
    {"label":"a","points":[[2.0,1.0],[8.0,1.0],[8.0,4.0],[2.0,4.0]],"group_id":null,"shape_type":"polygon","flags":{}},
    {"label":"b","points":[[0,0],[9,9]],"shape_type":"rectangle"},
    {"label":"c","points":[[0,0],[9,9],[0,9]],"shape_type":"linestrip"},
    {"label":"d","points":[[0,0],[1,0],[1,1],[0,1]]}, 7],
    "imagePath":"x.jpg","imageData":"aGVsbG8=","imageHeight":10,"imageWidth":12})");
  EXPECT_EQ(areas(masks), (std::vector<int64_t>{18, 1}));
  EXPECT_EQ(masks.height, 10);
  EXPECT_EQ(masks.width, 12);
  EXPECT_EQ(masks.left_out.unusable, 3);
  EXPECT_THAT(masks.left_out.first, HasSubstr("shape 1 has no mask"));
}

TEST(Sa1bMasks, AMissingSizeComesFromOtherMasksOrTheImage) {
  const std::string polygon = R"({"segmentation":[[0,0,5,0,5,2,0,2]]})";
  for (const char* image :
       {R"("image":{"height":4,"width":5})", R"("image":{"height":"4","width":"5"})",
        R"("images":[{"id":1,"height":4,"width":5}])"}) {
    EXPECT_EQ(areas(parse(str("{", image, R"(,"annotations":[)", polygon, "]}"))),
              (std::vector<int64_t>{10}))
        << image;
    EXPECT_EQ(areas(parse(str(R"({"annotations":[)", polygon, "],", image, "}"))),
              (std::vector<int64_t>{10}))
        << image;
  }
  const std::string file = R"({"image":{"height":null,"width":null},"annotations":[)" + polygon;
  EXPECT_EQ(areas(parse(file + R"(,{"segmentation":{"size":[4,5],"counts":[0,3]}}]})")),
            (std::vector<int64_t>{10, 3}));
  const MaskRuns masks = parse(file + "]}", 512, {.height = 3, .width = 4});
  EXPECT_EQ(areas(masks), (std::vector<int64_t>{8}));
  EXPECT_EQ(masks.width, 4);
  EXPECT_EQ(masks.left_out.unusable, 0);
  EXPECT_ERROR(parse(file + "]}"), HasSubstr("has no size"));
}

TEST(Sa1bMasks, EveryCutAndManyDamagesAreErrorsOrHarmless) {
  const std::string whole =
      sa1b_json(20, 30, {rectangle(20, 30, {3, 4, 9, 9}), rectangle(20, 30, {0, 0, 30, 20})})
          .dump();
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

TEST(Sa1bMasks, MutatedOddFilesAreErrorsOrHarmless) {
  const std::vector<std::string> seeds = {
      R"([{"id":1,"segmentation":[[2,1],[8,1],[8,4],[2,4]]},{"segmentation":{"size":[10,10],"counts":"b'e02'"}}])",
      R"({"annotations":{"a":{"segmentation":[{"x":2,"y":1},{"x":8,"y":1},{"x":8,"y":4}],"iscrowd":"1"}},"image":{"height":"9","width":9}})",
      R"({"images":[{"height":10,"width":10}],"annotations":[{"segmentation":[[[2,1,8,1,8,4]],[1,1,5,5,"3",1]]},null]})",
      R"({"shapes":[{"points":[[2,1],[8,1],[8,4]],"shape_type":"polygon"}],"imageHeight":10,"imageWidth":"10"})",
      R"([{"segmentation":{"size":["10",10],"counts":"21 3 7 3, 66"}},{"segmentation":[1,2,3,4,5,6]},{"bbox":[1,2]}])"};
  const char* const alphabet = "{}[],:\"0189-eb'\\.";
  Random random(11);
  Sa1bMaskReader reader;
  MaskRuns masks;
  int refused = 0, used = 0;
  for (int round = 0; round < 8000; ++round) {
    std::string text = seeds[static_cast<size_t>(round) % seeds.size()];
    for (int64_t changes = random.integer(1, 5); changes > 0; --changes) {
      const auto at = static_cast<size_t>(random.integer(0, static_cast<int64_t>(text.size())));
      switch (random.integer(0, 4)) {
        case 0:
          text[at] = static_cast<char>(random.integer(0, 256));
          break;
        case 1:
          text.insert(at, 1, alphabet[random.integer(0, 18)]);
          break;
        case 2:
          text.erase(at, static_cast<size_t>(random.integer(1, 4)));
          break;
        default:
          text[at] = alphabet[random.integer(0, 18)];
      }
      if (text.empty()) text = "[";
    }
    try {
      reader.parse(text, "a.json", 512, masks,
                   {.height = 10, .width = 10, .crowds = round % 2 == 0});
      for (const auto& mask : masks.masks) check_rle(masks.runs(mask), masks.height, masks.width);
      used += !masks.masks.empty();
    } catch (const Error& e) {
      EXPECT_THAT(e.what(), StartsWith("a.json"));
      ++refused;
    }
  }
  EXPECT_GT(refused, 800);
  EXPECT_GT(used, 300);
}

TEST(Sa1bMasks, HugeSizesInSmallFilesCostLittle) {
  // A polygon whose edges cross a million columns each.
  std::string points = "0,0";
  for (int i = 0; i < 200; ++i) points += i % 2 ? ",0,1" : ",1000000,0";
  const std::string file =
      R"({"image":{"height":4000,"width":1048576},"annotations":[{"segmentation":[[)" + points +
      "]]}]}";
  EXPECT_ERROR(parse(file), HasSubstr("columns"));
  EXPECT_ERROR(
      parse(R"({"annotations":[{"segmentation":{"size":[1048576,1048576],"counts":[1,1]}}]})"),
      HasSubstr("held"));
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
    std::stable_sort(expected.begin(), expected.end(),
                     [](const auto& a, const auto& b) { return rle_area(a) > rle_area(b); });
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
