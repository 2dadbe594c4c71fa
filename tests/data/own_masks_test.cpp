#include <torch/types.h>

#include "data/made_sa1b.hpp"
#include "pixelclip/base/file.hpp"
#include "pixelclip/data/loader.hpp"
#include "pixelclip/data/mapper.hpp"

/// Training on masks that are not SA-1B's: COCO instances, pictures of ids, DATASETS.CUSTOM.
namespace pixelclip {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using nlohmann::json;
using namespace testing;

/// Areas of the masks, the largest first.
std::vector<int64_t> areas_of(const MaskRuns& masks) {
  std::vector<int64_t> out;
  for (const auto& mask : masks.masks) out.push_back(mask.area);
  return out;
}

json picture(int id, const std::string& name, int64_t height, int64_t width) {
  return {{"id", id}, {"file_name", name}, {"height", height}, {"width", width}};
}

/// Two pictures with polygons, run lengths of both kinds, a crowd, and a stray annotation.
json made_coco() {
  const Rle square = rle_from_bitmap(rectangle(20, 30, {2, 3, 5, 6}), 20, 30);
  return {{"info", {{"year", 2026}}},
          {"annotations",
           {{{"image_id", 7}, {"segmentation", {{0, 0, 10, 0, 10, 4, 0, 4}}}, {"iscrowd", 0}},
            {{"image_id", 9}, {"segmentation", {{-5, -5, 100, -5, 100, 100, -5, 100}}}},
            {{"image_id", 7}, {"segmentation", {{"size", {20, 30}}, {"counts", encode_rle(square)}}}},
            {{"image_id", 7}, {"segmentation", {{"size", {20, 30}}, {"counts", square.counts}}}, {"iscrowd", 1}},
            {{"image_id", 7}, {"segmentation", {{0, 10, 2, 10, 2, 12, 0, 12}, {4, 10, 6, 10, 6, 12, 4, 12}}}},
            {{"image_id", 7}, {"segmentation", {{50, 50, 60, 50, 60, 60}}}},
            {{"image_id", 1000}, {"segmentation", json::array()}}}},
          {"images", {picture(9, "deep/b.jpg", 10, 12), picture(7, "a.jpg", 20, 30), picture(3, "gone.jpg", 5, 5)}}};
}

TEST(Coco, ReadsPolygonsAndRunsOfEachPicture) {
  const TempFolder folder;
  write_file(folder / "a.json", made_coco().dump());
  const CocoMasks coco(folder / "a.json");
  ASSERT_EQ(coco.pictures().size(), 3u);
  EXPECT_EQ(coco.strays(), 1);
  Sa1bMaskReader reader;
  MaskRuns masks;
  coco.read(1, 512, reader, masks);
  EXPECT_THAT(areas_of(masks), ElementsAre(40, 30, 8));  // no crowd, and what lies outside is empty
  EXPECT_EQ(masks.height, 20);
  coco.read(0, 512, reader, masks);
  EXPECT_THAT(areas_of(masks), ElementsAre(120));
  coco.read(2, 512, reader, masks);
  EXPECT_THAT(areas_of(masks), ElementsAre());
}

TEST(Coco, DamagedFilesAreNamed) {
  const TempFolder folder;
  const fs::path path = folder / "a.json";
  const std::string whole = made_coco().dump();
  for (size_t size = 0; size < whole.size(); size += 7) {
    write_file(path, whole.substr(0, size));
    EXPECT_ERROR(CocoMasks{path}, HasSubstr("a.json"));
  }
  const auto expect = [&](json file, const char* text) {
    write_file(path, file.dump());
    EXPECT_ERROR(CocoMasks{path}, AllOf(HasSubstr("a.json"), HasSubstr(text)));
  };
  expect({{"images", json::array()}, {"annotations", json::array()}}, "COCO's instance JSON");
  expect({{"images", {picture(1, "a.jpg", 5, 5)}}}, "COCO's instance JSON");
  expect({{"images", {picture(1, "a.jpg", 5, 5), picture(1, "b.jpg", 5, 5)}}, {"annotations", json::array()}},
         "another id than 1");
  expect({{"images", {picture(1, "a.jpg", 0, 5)}}, {"annotations", json::array()}}, "height");
  expect({{"images", {picture(1, "a.jpg", 5, 5)}}, {"annotations", {{{"id", 1}}}}}, "image_id");
  json wrong = made_coco();
  wrong["annotations"][2]["segmentation"]["size"] = {21, 30};
  write_file(path, wrong.dump());
  Sa1bMaskReader reader;
  MaskRuns masks;
  EXPECT_ERROR(CocoMasks(path).read(1, 512, reader, masks), AllOf(HasSubstr("annotation 2"), HasSubstr("21×30")));
  wrong["annotations"][2]["segmentation"] = nullptr;
  write_file(path, wrong.dump());
  EXPECT_ERROR(CocoMasks(path).read(1, 512, reader, masks), HasSubstr(str("a.json:1:", wrong.dump().find("null") + 1, ": ")));
}

TEST(Coco, MutatedFilesAreErrorsOrHarmless) {
  const TempFolder folder;
  const fs::path path = folder / "a.json";
  const std::string whole = made_coco().dump();
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
      for (size_t p = 0; p < coco.pictures().size(); ++p) {
        coco.read(static_cast<int64_t>(p), 512, reader, masks);
        for (const auto& mask : masks.masks) check_rle(masks.runs(mask), masks.height, masks.width);
      }
    } catch (const Error&) {
    }
  }
}

TEST(Ids, EachBecomesAMaskExceptNothingAndTheIgnoredOne) {
  LabelMap labels{3, 4, {0, 5, 5, 255,   //
                         0, 5, 9, 255,   //
                         9, 9, 9, 300}};
  MaskRuns masks;
  masks_of_ids(labels, 255, 512, masks);
  EXPECT_THAT(areas_of(masks), ElementsAre(4, 3, 1));
  const auto runs = masks.runs(masks.masks[0]);
  EXPECT_THAT(std::vector<uint32_t>(runs.begin(), runs.end()), ElementsAre(2, 1, 2, 1, 1, 2, 3));
  masks_of_ids(labels, 9, 2, masks);
  EXPECT_THAT(areas_of(masks), ElementsAre(3, 2));
  Random random(2);
  for (int round = 0; round < 200; ++round) {
    LabelMap map{random.integer(1, 20), random.integer(1, 20), {}};
    for (int64_t i = 0; i < map.height * map.width; ++i) map.ids.push_back(static_cast<int32_t>(random.integer(0, 5)));
    masks_of_ids(map, 4, 512, masks);
    int64_t area = 0;
    for (const auto& mask : masks.masks) {
      const auto counts = masks.runs(mask);
      const auto bitmap = rle_to_bitmap({map.height, map.width, {counts.begin(), counts.end()}});
      const auto first = std::find(bitmap.begin(), bitmap.end(), 1);
      const int32_t id = map.ids[first - bitmap.begin()];
      EXPECT_TRUE(id != 0 && id != 4);
      for (size_t i = 0; i < bitmap.size(); ++i) EXPECT_EQ(bitmap[i] == 1, map.ids[i] == id);
      area += mask.area;
    }
    EXPECT_EQ(area, std::count_if(map.ids.begin(), map.ids.end(), [](int32_t id) { return id != 0 && id != 4; }));
  }
}

TEST(Polygons, NeedThePictureSizeBeforeThemInSa1bsForm) {
  Sa1bMaskReader reader;
  MaskRuns masks;
  reader.parse(R"({"image": {"height": 4, "width": 5}, "annotations": [{"segmentation": [[0,0,5,0,5,2,0,2]]}]})",
               "a.json", 512, masks);
  EXPECT_THAT(areas_of(masks), ElementsAre(10));
  EXPECT_ERROR(reader.parse(R"({"annotations": [{"segmentation": [[0,0,5,0,5,2,0,2]]}]})", "a.json", 512, masks),
               AllOf(HasSubstr("a.json"), HasSubstr("polygons")));
  EXPECT_ERROR(reader.parse(R"({"image": {"height": 4, "width": 5}, "annotations": [{"segmentation": [[0,0,5]]}]})",
                            "a.json", 512, masks), HasSubstr("x, y pairs"));
  EXPECT_ERROR(reader.parse(R"({"image": {"height": 4, "width": 5}, "annotations": [{"segmentation": [[1e300,0]]}]})",
                            "a.json", 512, masks), HasSubstr("coordinate"));
}

Config own_masks_config(CustomDataset set) {
  Config config;
  config.datasets.custom = {set};
  config.datasets.train = {set.name};
  config.input.min_size_train = {20};
  config.model.mask_resolution = {20, 30};
  return config;
}

/// Masks of every sample, by the picture's file name.
std::map<std::string, int64_t> masks_of(const Config& config) {
  const Sa1bIndex index = open_training_set(config);
  const Sa1bMapper mapper(config);
  std::map<std::string, int64_t> masks;
  for (int64_t i = 0; i < index.size(); ++i) {
    const auto sample = mapper(index[i], Random(1));
    masks[fs::path(index[i].image).filename().string()] = sample.mask_bits.defined() ? sample.mask_bits.size(0) : -1;
  }
  return masks;
}

TEST(CustomSets, TrainOnEachKindOfMasks) {
  using Masks = std::map<std::string, int64_t>;
  const TempFolder folder;
  fs::create_directories(folder / "images/deep");
  write_jpeg(folder / "images/a.jpg", made_image(20, 30, 1));
  write_jpeg(folder / "images/deep/b.jpg", made_image(10, 12, 2));
  write_file(folder / "coco.json", made_coco().dump());
  CustomDataset set;
  set.name = "mine";
  set.images = (folder / "images").string();
  set.masks = (folder / "coco.json").string();
  for (const char* kind : {"", "coco"}) {
    set.kind = kind;
    EXPECT_EQ(masks_of(own_masks_config(set)), (Masks{{"a.jpg", 3}, {"b.jpg", 1}}));
  }

  fs::create_directories(folder / "ids/deep");
  LabelMap labels{20, 30, std::vector<int32_t>(600, 1)};
  std::fill_n(labels.ids.begin(), 200, 2);
  std::fill_n(labels.ids.begin() + 200, 100, 0);
  write_label_png(folder / "ids/a.png", labels);
  write_label_png(folder / "ids/deep/b.png", LabelMap{10, 12, std::vector<int32_t>(120, 700)});
  set.masks = (folder / "ids").string();
  for (const char* kind : {"", "id_png"}) {
    set.kind = kind;
    EXPECT_EQ(masks_of(own_masks_config(set)), (Masks{{"a.jpg", 2}, {"b.jpg", 1}}));
  }
  set.ignore = 2;
  EXPECT_EQ(masks_of(own_masks_config(set)), (Masks{{"a.jpg", 1}, {"b.jpg", 1}}));

  set.kind = "";
  set.masks = "";
  Config dino = own_masks_config(set);
  EXPECT_ERROR(open_training_set(dino), HasSubstr((folder / "images").string()));
  dino.model.dino = true;
  EXPECT_EQ(masks_of(dino), (Masks{{"a.jpg", -1}, {"b.jpg", -1}}));

  write_file(folder / "images/a.json", sa1b_json(20, 30, {rectangle(20, 30, {0, 0, 20, 20})}).dump());
  EXPECT_EQ(masks_of(own_masks_config(set)), (Masks{{"a.jpg", 1}}));  // JSON beside the pictures
  set.kind = "images";
  EXPECT_ERROR(open_training_set(own_masks_config(set)), AllOf(HasSubstr("mine"), HasSubstr("MODEL.DINO")));
}

TEST(CustomSets, WhatIsNotThereIsNamed) {
  const TempFolder folder;
  fs::create_directories(folder / "images");
  write_jpeg(folder / "images/x.jpg", made_image(20, 30, 1));
  write_file(folder / "coco.json", made_coco().dump());
  CustomDataset set;
  set.name = "mine";
  set.images = (folder / "images").string();
  set.masks = (folder / "coco.json").string();
  EXPECT_ERROR(open_training_set(own_masks_config(set)), AllOf(HasSubstr("coco.json"), HasSubstr("images")));
  json outside = made_coco();
  outside["images"][0]["file_name"] = "../../etc/passwd";
  write_file(folder / "coco.json", outside.dump());
  EXPECT_ERROR(open_training_set(own_masks_config(set)), HasSubstr("passwd"));
  Config test = own_masks_config(set);
  test.datasets.train = {"ade20k_150_test_sem_seg"};
  EXPECT_ERROR(open_training_set(test), HasSubstr("test set"));
}

}  // namespace
}  // namespace pixelclip
