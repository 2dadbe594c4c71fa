#include "pixelclip/data/catalog.hpp"

#include <cstdlib>
#include <fstream>

#include "pixelclip/base/file.hpp"
#include "support/support.hpp"

namespace pixelclip {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::TempFolder;

int classes_of(const IdMap& map) {
  int classes = 0;
  for (const int id : map.classes) classes += id >= 0 && id != 255;
  return classes;
}

TEST(IdMaps, CocoStuffLeavesOutElevenIdsAndKeepsOrder) {
  const IdMap map = coco_stuff_ids();
  EXPECT_EQ(classes_of(map), 171);
  EXPECT_EQ(map.classes[0], 0);
  EXPECT_EQ(map.classes[10], 10);
  EXPECT_EQ(map.classes[11], 255);
  EXPECT_EQ(map.classes[12], 11);
  EXPECT_EQ(map.classes[89], 79);
  EXPECT_EQ(map.classes[90], 255);
  EXPECT_EQ(map.classes[91], 80);
  EXPECT_EQ(map.classes[181], 170);
  EXPECT_TRUE(map.rest_ignored);
}

TEST(IdMaps, Ade20kShiftsByOneAndIgnoresZero) {
  const IdMap map = ade20k_ids();
  EXPECT_EQ(map.classes.size(), 151u);
  EXPECT_EQ(map.classes[0], 255);
  EXPECT_EQ(map.classes[1], 0);
  EXPECT_EQ(map.classes[150], 149);
  EXPECT_FALSE(map.rest_ignored);
}

TEST(IdMaps, ContextKeepsFiftyNineOfItsIds) {
  const IdMap map = context_ids();
  EXPECT_EQ(classes_of(map), 59);
  EXPECT_EQ(map.classes[0], 255);
  EXPECT_EQ(map.classes[2], 0);
  EXPECT_EQ(map.classes[3], 255);
  EXPECT_EQ(map.classes[9], 1);
  EXPECT_EQ(map.classes[458], 58);
}

TEST(IdMaps, CityscapesKeepsNineteenOfItsLabelIds) {
  const IdMap map = cityscapes_ids();
  EXPECT_EQ(classes_of(map), 19);
  EXPECT_EQ(map.classes[7], 0);
  EXPECT_EQ(map.classes[9], 255);
  EXPECT_EQ(map.classes[26], 13);
  EXPECT_EQ(map.classes[33], 18);
}

TEST(IdMaps, ContextsBackgroundIsIgnoredUnlessItIsTheSixtiethClass) {
  EXPECT_EQ(context_ids().classes[0], 255);
  EXPECT_EQ(context_ids(true).classes[0], 59);
  EXPECT_EQ(context_ids(true).classes[458], 58);
  EXPECT_EQ(class_names(Catalog(DatasetRoots{}).find("context_60_test_sem_seg")).back(), "background");
}

TEST(IdMaps, VocIgnoresBackgroundUnlessItIsAClass) {
  EXPECT_EQ(voc_ids(false).classes[0], 255);
  EXPECT_EQ(voc_ids(true).classes[0], 20);
  EXPECT_EQ(voc_ids(true).classes[255], 255);
  EXPECT_EQ(voc_ids(false).classes[20], 19);
  EXPECT_EQ(voc_ids(false).classes[21], -1);
}

TEST(Catalog, KnowsTheFiveSetsOfThePaperAndTheirClassCounts) {
  const Catalog catalog(DatasetRoots{"a", "b"});
  EXPECT_EQ(catalog.find("coco_2017_test_stuff_all_sem_seg").classes, 171);
  EXPECT_EQ(catalog.find("ade20k_150_test_sem_seg").classes, 150);
  EXPECT_EQ(catalog.find("context_59_test_sem_seg").classes, 59);
  EXPECT_EQ(catalog.find("cityscapes_fine_sem_seg_val").rule, ScoreRule::cityscapes);
  EXPECT_EQ(catalog.find("voc_2012_test_sem_seg").classes, 20);
  EXPECT_EQ(catalog.find("voc_2012_test_background_sem_seg").classes, 21);
  EXPECT_EQ(catalog.find("sam_resized").kind, DatasetKind::sa1b);
  EXPECT_EQ(catalog.find("sam_resized").images.front(), "b/resized_images");
  EXPECT_EQ(catalog.find("ade20k_150_test_sem_seg").images.front(),
            "a/ADEChallengeData2016/images/validation");
}

TEST(Catalog, NamesTheNearestKnownSet) {
  EXPECT_ERROR(Catalog(DatasetRoots{}).find("ade20k_150_test_semseg"),
               HasSubstr("did you mean ade20k_150_test_sem_seg?"));
}

TEST(Catalog, RootsComeFromTheConfigurationThenTheEnvironmentThenTheDefault) {
  setenv("DETECTRON2_DATASETS", "/from/environment", 1);
  unsetenv("SAM_DATASETS");
  EXPECT_EQ(DatasetRoots::find().test, "/from/environment");
  EXPECT_EQ(DatasetRoots::find("/named").test, "/named");
  EXPECT_EQ(DatasetRoots::find().sa1b, "datasets");
  unsetenv("DETECTRON2_DATASETS");
}

TEST(Catalog, AMissingSetSaysWhereItLookedAndHowToGetIt) {
  const TempFolder folder;
  const Catalog catalog(DatasetRoots{folder.path(), folder.path()});
  EXPECT_ERROR(
      locate(catalog.find("ade20k_150_test_sem_seg")),
      AllOf(HasSubstr((folder / "ADEChallengeData2016/images/validation").string()),
            HasSubstr("download ADEChallengeData2016.zip"), HasSubstr("DETECTRON2_DATASETS")));
  EXPECT_ERROR(locate(catalog.find("sam_resized")), HasSubstr("SAM_DATASETS"));
  std::string why;
  EXPECT_FALSE(on_disk(catalog.find("voc_2012_test_sem_seg"), &why));
  EXPECT_THAT(why, HasSubstr("VOCdevkit/VOC2012/JPEGImages"));
}

TEST(Catalog, PreparedLabelsComeBeforePublishedOnesAndAnEmptyFolderDoesNotCount) {
  const TempFolder folder;
  const auto base = folder / "ADEChallengeData2016";
  for (const char* name :
       {"images/validation", "annotations/validation", "annotations_detectron2/validation"}) {
    std::filesystem::create_directories(base / name);
  }
  const DatasetInfo info = Catalog(DatasetRoots{folder.path(), ""}).find("ade20k_150_test_sem_seg");
  EXPECT_ERROR(locate(info), HasSubstr("annotations_detectron2/validation"));
  write_text(base / "annotations/validation/a.png", "x");
  EXPECT_EQ(locate(info).labels.path, base / "annotations/validation");
  EXPECT_EQ(locate(info).labels.map.classes[0], 255);
  write_text(base / "annotations_detectron2/validation/a.png", "x");
  EXPECT_EQ(locate(info).labels.path, base / "annotations_detectron2/validation");
  EXPECT_TRUE(locate(info).labels.map.classes.empty());
}

TEST(Catalog, ADeclaredTestSetMapsItsIdsAndIgnoresTheRest) {
  CustomDataset custom;
  custom.name = "mine";
  custom.images = "pictures";
  custom.labels = "labels";
  custom.names = {"cat", "dog"};
  custom.ignore = 7;
  custom.id_map = {{3, 1}, {5, 0}};
  DatasetsConfig config;
  config.custom = {custom};
  const DatasetInfo info = Catalog(config).find("mine");
  EXPECT_EQ(info.kind, DatasetKind::sem_seg);
  EXPECT_EQ(class_names(info), custom.names);
  EXPECT_EQ(info.labels[0].map.classes, (std::vector<int32_t>{7, 7, 7, 1, 7, 0}));
  EXPECT_TRUE(info.labels[0].map.rest_ignored);
  custom.id_map = {{-1, 0}};
  EXPECT_ERROR(custom_dataset(custom), HasSubstr("0 to 65535"));
}

TEST(Catalog, AClassListOfTheWrongLengthIsRefused) {
  const TempFolder folder;
  write_text(folder / "names.json", R"(["a", "b"])");
  DatasetInfo info = Catalog(DatasetRoots{}).find("voc_2012_test_sem_seg");
  info.class_json = folder / "names.json";
  EXPECT_ERROR(class_names(info), HasSubstr("2 classes, but the labels of voc_2012_test_sem_seg"));
}

}  // namespace
}  // namespace pixelclip
