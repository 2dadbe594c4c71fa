#include <torch/types.h>

#include "base/file.hpp"
#include "data/mapper.hpp"
#include "data/synthetic_coco.hpp"
#include "data/train_set.hpp"
#include "support/loading.hpp"

/// Training on masks that are not SA-1B's: images of ids, DATASETS.CUSTOM.
namespace pixelclip {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using namespace testing;

TEST(Ids, EachBecomesAMaskExceptZeroAndTheIgnoredId) {
  LabelMap labels{3,
                  4,
                  {0, 5, 5, 255,  //
                   0, 5, 9, 255,  //
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
    for (int64_t i = 0; i < map.height * map.width; ++i)
      map.ids.push_back(static_cast<int32_t>(random.integer(0, 5)));
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
    EXPECT_EQ(area, std::count_if(map.ids.begin(), map.ids.end(),
                                  [](int32_t id) { return id != 0 && id != 4; }));
  }
}

Config own_masks_config(CustomDataset set) {
  Config config;
  config.datasets.custom = {set};
  config.datasets.train = {set.name};
  config.input.min_size_train = {20};
  config.model.mask_resolution = {20, 30};
  return config;
}

/// Masks of every sample, by the image's file name.
std::map<std::string, int64_t> masks_of(const Config& config) {
  const Sa1bIndex index = open_training_set(config.datasets, !config.model.dino);
  const Sa1bMapper mapper = mapper_of(config);
  std::map<std::string, int64_t> masks;
  for (int64_t i = 0; i < index.size(); ++i) {
    const auto sample = mapper(index[i], Random(1));
    masks[fs::path(index[i].image).filename().string()] =
        sample.mask_bits.defined() ? sample.mask_bits.size(0) : -1;
  }
  return masks;
}

TEST(CustomSets, TrainOnEachKindOfMasks) {
  using Masks = std::map<std::string, int64_t>;
  const TempFolder folder;
  fs::create_directories(folder / "images/deep");
  write_jpeg(folder / "images/a.jpg", synthetic_image(20, 30, 1));
  write_jpeg(folder / "images/deep/b.jpg", synthetic_image(10, 12, 2));
  write_file(folder / "coco.json", synthetic_coco().dump());
  CustomDataset set;
  set.name = "mine";
  set.images = (folder / "images").string();
  set.masks = (folder / "coco.json").string();
  for (const auto kind : {CustomKind::automatic, CustomKind::coco}) {
    set.kind = kind;
    EXPECT_EQ(masks_of(own_masks_config(set)), (Masks{{"a.jpg", 4}, {"b.jpg", 1}}));
  }
  Config without = own_masks_config(set);
  without.datasets.crowd_regions = CrowdRegions::leave_out;
  EXPECT_EQ(masks_of(without), (Masks{{"a.jpg", 3}, {"b.jpg", 1}}));

  fs::create_directories(folder / "ids/deep");
  LabelMap labels{20, 30, std::vector<int32_t>(600, 1)};
  std::fill_n(labels.ids.begin(), 200, 2);
  std::fill_n(labels.ids.begin() + 200, 100, 0);
  write_label_png(folder / "ids/a.png", labels);
  write_label_png(folder / "ids/deep/b.png", LabelMap{10, 12, std::vector<int32_t>(120, 700)});
  set.masks = (folder / "ids").string();
  for (const auto kind : {CustomKind::automatic, CustomKind::id_png}) {
    set.kind = kind;
    EXPECT_EQ(masks_of(own_masks_config(set)), (Masks{{"a.jpg", 2}, {"b.jpg", 1}}));
  }
  set.ignore = 2;
  EXPECT_EQ(masks_of(own_masks_config(set)), (Masks{{"a.jpg", 1}, {"b.jpg", 1}}));

  set.kind = CustomKind::automatic;
  set.masks = "";
  Config dino = own_masks_config(set);
  EXPECT_ERROR(open_training_set(dino.datasets), HasSubstr((folder / "images").string()));
  dino.model.dino = true;
  EXPECT_EQ(masks_of(dino), (Masks{{"a.jpg", -1}, {"b.jpg", -1}}));

  write_file(folder / "images/a.json",
             sa1b_json(20, 30, {rectangle(20, 30, {0, 0, 20, 20})}).dump());
  EXPECT_EQ(masks_of(own_masks_config(set)), (Masks{{"a.jpg", 1}}));  // JSON beside the images
  set.kind = CustomKind::images;
  EXPECT_ERROR(open_training_set(own_masks_config(set).datasets),
               AllOf(HasSubstr("mine"), HasSubstr("MODEL.DINO")));
}

TEST(CustomSets, AnImageIsFoundByWhateverPathNamesIt) {
  const TempFolder folder;
  const fs::path images = folder / "images";
  fs::create_directories(images / "train2017/deep");
  write_jpeg(images / "train2017/deep/a.jpg", synthetic_image(20, 30, 1));
  write_jpeg(folder / "outside.jpg", synthetic_image(20, 30, 1));
  CustomDataset set;
  set.name = "mine";
  set.images = images.string();
  set.masks = (folder / "coco.json").string();
  const auto found = [&](const std::string& name) {
    json file = synthetic_coco();
    file["images"] = {image_entry(7, name, 20, 30)};
    write_file(folder / "coco.json", file.dump());
    try {
      return open_training_set(own_masks_config(set).datasets)[0].image;
    } catch (const Error& e) {
      EXPECT_THAT(e.what(), HasSubstr("none of the images"));
      return std::string("none");
    }
  };
  const std::string expected = (images / "train2017/deep/a.jpg").string();
  for (const std::string& name :
       {std::string("train2017/deep/a.jpg"), std::string("./train2017//deep/a.jpg"),
        std::string("train2017\\deep\\a.jpg"),
        std::string("C:\\data\\images\\train2017\\deep\\a.jpg"), expected,
        std::string("../images/train2017/deep/a.jpg"), std::string("train2017/x/../deep/a.jpg"),
        std::string("/home/somebody/images/train2017/deep/a.jpg"),
        std::string("http://images.cocodataset.org/train2017/deep/a.jpg"),
        std::string("other/train2017/deep/a.jpg")}) {
    EXPECT_EQ(found(name), expected) << name;
  }
  for (const std::string& name :
       {std::string("../outside.jpg"), (folder / "outside.jpg").string(),
        std::string("../../etc/passwd"), std::string("a.jpg"), std::string("train2017"),
        std::string("/"), std::string(".."), std::string(300, 'x') + "/a.jpg",
        std::string(9000, '/'), std::string("train2017/deep/a.jpg/b.jpg")}) {
    EXPECT_EQ(found(name), "none") << name.substr(0, 80);
  }
}

TEST(CustomSets, TwoPathsThatCouldOnlyMeanOneFileAreBothLeftOut) {
  const TempFolder folder;
  fs::create_directories(folder / "images");
  write_jpeg(folder / "images/a.jpg", synthetic_image(20, 30, 1));
  write_jpeg(folder / "images/b.jpg", synthetic_image(20, 30, 1));
  json file = synthetic_coco();
  file["images"] = {image_entry(7, "/x/a.jpg", 20, 30), image_entry(9, "/y/a.jpg", 20, 30),
                    image_entry(3, "/z/b.jpg", 20, 30)};
  write_file(folder / "coco.json", file.dump());
  CustomDataset set;
  set.name = "mine";
  set.images = (folder / "images").string();
  set.masks = (folder / "coco.json").string();
  const Sa1bIndex index = open_training_set(own_masks_config(set).datasets);
  ASSERT_EQ(index.size(), 1);
  EXPECT_THAT(index[0].image, HasSubstr("b.jpg"));
  EXPECT_EQ(index.left_out(), 2);
}

TEST(CustomSets, NamesThatBeginWithADotAreNoData) {
  const TempFolder folder;
  for (const char* name : {"a", "._a", ".ipynb_checkpoints/a", "@eaDir/a"}) {
    for (const char* kind : {"images", "ids"})
      fs::create_directories((folder / kind / name).parent_path());
    write_jpeg(folder / "images" / (std::string(name) + ".jpg"), synthetic_image(4, 5, 1));
    write_label_png(folder / "ids" / (std::string(name) + ".png"),
                    LabelMap{4, 5, std::vector<int32_t>(20, 7)});
  }
  write_file(folder / "ids/.DS_Store.json", "no masks");
  CustomDataset set;
  set.name = "mine";
  set.images = (folder / "images").string();
  set.masks = (folder / "ids").string();
  EXPECT_EQ(masks_of(own_masks_config(set)), (std::map<std::string, int64_t>{{"a.jpg", 1}}));
  Config dino = own_masks_config(set);
  dino.model.dino = true;
  EXPECT_EQ(open_training_set(dino.datasets, /*with_annotations=*/false).size(), 1);
}

TEST(CustomSets, TheFoldersOfMasksThatSamsScriptWritesAreRead) {
  const TempFolder folder;
  fs::create_directories(folder / "images/deep");
  write_jpeg(folder / "images/a.jpg", synthetic_image(20, 30, 1));
  write_jpeg(folder / "images/deep/b.jpg", synthetic_image(20, 30, 1));
  write_jpeg(folder / "images/none.jpg", synthetic_image(20, 30, 1));
  const auto write_mask = [&](const fs::path& path, const Rect& rect) {
    fs::create_directories(path.parent_path());
    LabelMap mask{20, 30, {}};
    for (const uint8_t bit : rectangle(20, 30, rect)) mask.ids.push_back(bit * 255);
    write_label_png(path, mask);
  };
  for (const char* stem : {"a", "deep/b"}) {
    write_mask(folder / "masks" / stem / "0.png", {0, 0, 30, 10});
    write_mask(folder / "masks" / stem / "1.png", {5, 5, 10, 10});
    write_mask(folder / "masks" / stem / "._1.png", {5, 5, 10, 10});
    write_file(folder / "masks" / stem / "metadata.csv", "id,area,bbox_x0\n0,300,0\n1,100,5\n");
  }
  write_file(folder / "masks/a/2.png", "no image");
  Image white(20, 30, 3);  // a mask saved as colors
  std::fill_n(white.pixels.begin(), 3 * 30 * 2, uint8_t{255});
  write_png(folder / "masks/deep/b/2.png", white);
  CustomDataset set;
  set.name = "mine";
  set.images = (folder / "images").string();
  set.masks = (folder / "masks").string();
  for (const auto kind : {CustomKind::automatic, CustomKind::sa1b}) {
    set.kind = kind;
    EXPECT_EQ(masks_of(own_masks_config(set)),
              (std::map<std::string, int64_t>{{"a.jpg", 2}, {"b.jpg", 3}}));
  }
  const Sa1bIndex index = open_training_set(own_masks_config(set).datasets);
  EXPECT_EQ(index.left_out(), 1);
  const TrainSample sample = mapper_of(own_masks_config(set))(index[0], Random(1));
  EXPECT_EQ(sample.masks_left_out, 1);
  EXPECT_THAT(sample.why_left_out, HasSubstr("2.png"));
  write_label_png(folder / "masks/a/1.png", LabelMap{9, 9, std::vector<int32_t>(81, 255)});
  EXPECT_ERROR(mapper_of(own_masks_config(set))(index[0], Random(1)),
               AllOf(HasSubstr("1.png"), HasSubstr("9×9")));
}

TEST(CustomSets, MissingFilesAreNamed) {
  const TempFolder folder;
  fs::create_directories(folder / "images");
  write_jpeg(folder / "images/x.jpg", synthetic_image(20, 30, 1));
  write_file(folder / "coco.json", synthetic_coco().dump());
  CustomDataset set;
  set.name = "mine";
  set.images = (folder / "images").string();
  set.masks = (folder / "coco.json").string();
  EXPECT_ERROR(open_training_set(own_masks_config(set).datasets),
               AllOf(HasSubstr("coco.json"), HasSubstr("images")));
  json outside = synthetic_coco();
  outside["images"][0]["file_name"] = "../../etc/passwd";
  write_file(folder / "coco.json", outside.dump());
  EXPECT_ERROR(open_training_set(own_masks_config(set).datasets), HasSubstr("passwd"));
  Config test = own_masks_config(set);
  test.datasets.train = {"ade20k_150_test_sem_seg"};
  EXPECT_ERROR(open_training_set(test.datasets), HasSubstr("test set"));
}

}  // namespace
}  // namespace pixelclip
