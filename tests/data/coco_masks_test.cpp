#include "data/coco_masks.hpp"

#include "base/file.hpp"
#include "data/synthetic_coco.hpp"

namespace pixelclip {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using namespace testing;

/// Masks of one image of a COCO file.
MaskRuns read_coco(const CocoMasks& coco, int64_t image, const MaskSource& source = {}) {
  Sa1bMaskReader reader;
  MaskRuns masks;
  coco.read(image, 512, source, reader, masks);
  return masks;
}

CocoMasks open_coco(const fs::path& path, const json& file,
                    CrowdRegions crowds = CrowdRegions::automatic) {
  write_file(path, file.dump());
  return CocoMasks(path, crowds);
}

TEST(Coco, ReadsPolygonsAndRunsOfEachImage) {
  const TempFolder folder;
  const CocoMasks coco = open_coco(folder / "a.json", synthetic_coco());
  ASSERT_EQ(coco.images().size(), 3u);
  EXPECT_EQ(coco.strays(), 1);
  const MaskRuns masks = read_coco(coco, 1);
  EXPECT_THAT(areas_of(masks), ElementsAre(40, 30, 30, 8));  // what lies outside is empty
  EXPECT_EQ(masks.height, 20);
  EXPECT_THAT(areas_of(read_coco(coco, 0)), ElementsAre(120));
  EXPECT_THAT(areas_of(read_coco(coco, 2)), ElementsAre());
}

TEST(Coco, CrowdRegionsAreMasksButNotInCocosOwnFilesUnlessTheKeySays) {
  const TempFolder folder;
  const fs::path path = folder / "a.json";
  const auto crowds_used = [&](const json& file, CrowdRegions crowds) {
    const CocoMasks coco = open_coco(path, file, crowds);
    EXPECT_EQ(coco.crowd_regions(), 1);
    const MaskRuns masks = read_coco(coco, 1);
    EXPECT_EQ(masks.left_out.crowds, coco.uses_crowds() ? 0 : 1);
    EXPECT_EQ(masks.masks.size(), coco.uses_crowds() ? 4u : 3u);
    return coco.uses_crowds();
  };
  json own = synthetic_coco(), named = own, linked = own;
  named["info"] = {{"contributor", "COCO Consortium"}, {"year", 2017}};
  linked["images"][2]["coco_url"] = "http://images.cocodataset.org/train2017/a.jpg";
  EXPECT_TRUE(crowds_used(own, CrowdRegions::automatic));
  EXPECT_FALSE(crowds_used(own, CrowdRegions::leave_out));
  for (const json& file : {named, linked}) {
    EXPECT_FALSE(crowds_used(file, CrowdRegions::automatic));
    EXPECT_TRUE(crowds_used(file, CrowdRegions::use));
  }
  // Every mask a crowd: then a tool marked its run lengths so, whatever stands in "info".
  for (auto& annotation : named["annotations"]) annotation["iscrowd"] = 1;
  EXPECT_TRUE(open_coco(path, named).uses_crowds());
}

TEST(Coco, IdsAreNumbersOrTextsOfAnyLength) {
  const TempFolder folder;
  const json square = {{0, 0, 4, 0, 4, 4, 0, 4}};
  const auto masks_of_ids = [&](const std::string& listed, const std::string& image_id) {
    write_file(
        folder / "a.json",
        R"({"images":[{"id":)" + listed +
            R"(,"file_name":"a.jpg","height":9,"width":9},{"id":"other","file_name":"b.jpg"}],
                                      "annotations":[{"image_id":)" +
            image_id + R"(,"segmentation":)" + square.dump() +
            R"(},{"image_id":"other","bbox":[1,2,3,4]}]})");
    return read_coco(CocoMasks(folder / "a.json"), 0, {.height = 9, .width = 9}).masks.size();
  };
  for (const auto& [listed, image] : std::vector<std::pair<std::string, std::string>>{
           {"7", "7"},
           {"\"7\"", "7"},
           {"7", "\"7\""},
           {"7.0", "7"},
           {"-1", "-1"},
           {"0", "\"0\""},
           {"9007199254740993", "9007199254740993"},
           {"9223372036854775807", "\"9223372036854775807\""},
           {"123456789012345678901234567890", "123456789012345678901234567890"},
           {"1e300", "1e300"},
           {"\"a1b2-c3\"", "\"a1b2-c3\""},
           {"\"007\"", "\"007\""},
           {"\"\\u00e9\"", "\"\u00e9\""}}) {
    EXPECT_EQ(masks_of_ids(listed, image), 1u) << listed << " " << image;
  }
  for (const auto& [listed, image] : std::vector<std::pair<std::string, std::string>>{
           {"7", "8"},
           {"7", "\"007\""},
           {"9007199254740993", "9007199254740992"},
           {"7", "7.5"},
           {"7", "null"},
           {"123456789012345678901234567890", "123456789012345678901234567891"},
           {"0", "1e300"},
           {"1", "true"}}) {
    EXPECT_EQ(masks_of_ids(listed, image), 0u) << listed << " " << image;
  }
}

TEST(Coco, EntriesOfImagesAreReadAsToolsWriteThem) {
  const TempFolder folder;
  const Rle left = rle_from_bitmap(rectangle(20, 30, {0, 0, 5, 20}), 20, 30);
  json file = {{"images", json::array()}, {"annotations", json::array()}};
  const auto add = [&](json entry, const json& segmentation) {
    file["annotations"].push_back({{"image_id", entry["id"]}, {"segmentation", segmentation}});
    file["images"].push_back(std::move(entry));
  };
  const json runs = {{"size", {20, 30}}, {"counts", encode_rle(left)}},
             square = {{0, 0, 4, 0, 4, 4, 0, 4}};
  add({{"id", 1},
       {"coco_url", "http://images.cocodataset.org/train2017/000000000001.jpg"},
       {"height", 20},
       {"width", 30}},
      runs);
  add({{"id", 2}, {"file_name", "two.jpg"}}, runs);  // no size
  add({{"id", 3}, {"file_name", "three.jpg"}, {"height", nullptr}, {"width", nullptr}}, square);
  add({{"id", 4}, {"file_name", "four.jpg"}, {"height", "20"}, {"width", 30}}, square);
  add({{"id", 4}, {"file_name", "four.jpg"}, {"height", 20}, {"width", 30}}, square);  // repeated
  add({{"id", 5}, {"file_name", "two.jpg"}, {"height", 20}, {"width", 30}},
      square);  // under another id
  const CocoMasks coco = open_coco(folder / "a.json", file);
  ASSERT_EQ(coco.images().size(), 4u);
  EXPECT_EQ(coco.unusable(), 0);
  const MaskSource source{.height = 9, .width = 9};
  EXPECT_THAT(areas_of(read_coco(coco, 0, source)), ElementsAre(100));
  EXPECT_THAT(areas_of(read_coco(coco, 1, source)), ElementsAre(100, 16));
  EXPECT_THAT(areas_of(read_coco(coco, 2, source)), ElementsAre(16));
  EXPECT_EQ(read_coco(coco, 2, source).height, 9);
  EXPECT_THAT(areas_of(read_coco(coco, 3, source)), ElementsAre(16, 16));
}

TEST(Coco, EntriesThatCanNotBeUnderstoodAreLeftOutAlone) {
  const TempFolder folder;
  for (const json& image :
       {json{{"file_name", "b.jpg"}}, json{{"id", 5}},
        json{{"id", nullptr}, {"file_name", "b.jpg"}}, json{{"id", 7}, {"file_name", "other.jpg"}},
        json(nullptr), json(3),
        json{{"id", 8}, {"file_name", "deep/b.jpg"}, {"height", 11}, {"width", 12}}}) {
    json file = synthetic_coco();
    file["images"].push_back(image);
    const CocoMasks coco = open_coco(folder / "a.json", file);
    EXPECT_EQ(coco.unusable(), 1) << image;
    EXPECT_THAT(coco.first_unusable(), AllOf(HasSubstr("a.json"), HasSubstr("image 3 "))) << image;
    const auto named = std::count_if(coco.images().begin(), coco.images().end(),
                                     [](const auto& p) { return !p.name.empty(); });
    EXPECT_GE(named, 2) << image;
  }
}

TEST(Coco, DamagedFilesAreNamed) {
  const TempFolder folder;
  const fs::path path = folder / "a.json";
  const std::string whole = synthetic_coco().dump();
  for (size_t size = 0; size < whole.size(); size += 7) {
    write_file(path, whole.substr(0, size));
    EXPECT_ERROR(CocoMasks{path}, HasSubstr("a.json"));
  }
  const auto expect = [&](const json& file, const char* text) {
    write_file(path, file.dump());
    EXPECT_ERROR(CocoMasks{path}, AllOf(HasSubstr("a.json"), HasSubstr(text)));
  };
  expect({{"images", json::array()}, {"annotations", json::array()}}, "COCO's instance JSON");
  expect({{"images", {image_entry(1, "a.jpg", 5, 5)}}}, "COCO's instance JSON");
  expect({{"images", {image_entry(1, "a.jpg", 5, 5), image_entry(1, "b.jpg", 5, 5)}},
          {"annotations", json::array()}},
         "one id");
  expect({{"images", {image_entry(1, "a.jpg", 5, 5)}}, {"annotations", {{{"id", 1}}}}}, "image_id");
  expect({{"images", {image_entry(1, "a.jpg", 5, 5)}}, {"annotations", {{{"image_id", 2}}}}},
         "image_id");
  json wrong = synthetic_coco();
  wrong["annotations"][2]["segmentation"]["size"] = {21, 30};
  wrong["annotations"][2]["id"] = 4711;
  EXPECT_ERROR(read_coco(open_coco(path, wrong), 1),
               AllOf(HasSubstr("annotation 2 (id 4711)"), HasSubstr("21×30")));
  wrong["annotations"][2]["segmentation"] = nullptr;
  const MaskRuns masks = read_coco(open_coco(path, wrong), 1);
  EXPECT_THAT(areas_of(masks), ElementsAre(40, 30, 8));
  EXPECT_THAT(masks.left_out.first,
              AllOf(HasSubstr("a.json: annotation 2 (id 4711)"), HasSubstr("no mask")));
  // However long the line is, a fault is named by the entry that holds it.
  std::string text = synthetic_coco().dump();
  text.replace(text.find("\"deep/b.jpg\""), 12, "deep/b.jpg");
  write_file(path, text);
  EXPECT_ERROR(CocoMasks{path}, AllOf(HasSubstr("in image 0"), HasSubstr("a.json")));
}

TEST(Coco, MutatedFilesAreErrorsOrHarmless) {
  const TempFolder folder;
  const fs::path path = folder / "a.json";
  json odd = synthetic_coco();
  odd["images"].push_back(
      {{"id", "x1"}, {"coco_url", "http://images.cocodataset.org/a/b.jpg"}, {"height", nullptr}});
  odd["annotations"].push_back(
      {{"image_id", "x1"}, {"segmentation", {1, 1, 5, 1, 5, 5}}, {"id", 9007199254740993}});
  odd["annotations"].push_back(
      {{"image_id", "x1"}, {"segmentation", {{"counts", "b'0123'"}}}, {"iscrowd", true}});
  const std::string whole = odd.dump();
  Random random(7);
  Sa1bMaskReader reader;
  MaskRuns masks;
  for (int i = 0; i < 600; ++i) {
    std::string damaged = whole;
    for (int k = 0; k < 2; ++k) {
      const char* const alphabet = "{}[],:\"0189-e\\";
      damaged[random.integer(0, static_cast<int64_t>(damaged.size()))] =
          k == 0 ? alphabet[random.integer(0, 14)] : static_cast<char>(random.next());
    }
    std::ofstream(path, std::ios::binary) << damaged;
    try {
      const CocoMasks coco(path);
      for (size_t p = 0; p < coco.images().size(); ++p) {
        coco.read(static_cast<int64_t>(p), 512, {.height = 20, .width = 30}, reader, masks);
        for (const auto& mask : masks.masks) check_rle(masks.runs(mask), masks.height, masks.width);
      }
    } catch (const Error&) {
    }
  }
}

}  // namespace
}  // namespace pixelclip
