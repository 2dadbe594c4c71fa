#include "data/catalog.hpp"

#include <cstdlib>
#include <fstream>

#include "base/file.hpp"
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
  EXPECT_EQ(class_names(Catalog(DatasetRoots{}).find("context_60_test_sem_seg")).back(),
            "background");
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

TEST(Catalog, KnowsEveryNameThatThePublicCodeRegisters) {
  const Catalog catalog(DatasetRoots{"a", "b"});
  for (const char* name :
       {"coco_2017_train_stuff_all_sem_seg", "coco_2017_test_stuff_all_sem_seg",
        "coco_2017_semi_stuff_all_sem_seg", "ade20k_150_test_sem_seg", "voc_2012_test_sem_seg",
        "voc_2012_test_background_sem_seg", "context_59_train_sem_seg", "context_59_test_sem_seg",
        "context_459_test_sem_seg", "cityscapes_fine_sem_seg_train", "cityscapes_fine_sem_seg_val",
        "cityscapes_fine_sem_seg_test", "ade20k_sem_seg_train", "ade20k_sem_seg_val"}) {
    const DatasetInfo& info = catalog.find(name);
    EXPECT_EQ(info.kind, DatasetKind::sem_seg) << name;
    EXPECT_EQ(static_cast<int>(class_names(info).size()), info.classes) << name;
  }
  EXPECT_EQ(catalog.find("coco_sam_train_stuff_all_sem_seg").kind, DatasetKind::sa1b);
  EXPECT_EQ(catalog.find("coco_sam_train_stuff_all_sem_seg").images.front(), "a/coco/train2017");
  EXPECT_EQ(catalog.find("sam_resized").kind, DatasetKind::sa1b);
  EXPECT_EQ(catalog.find("context_459_test_sem_seg").ignore, 459);
}

TEST(Catalog, MasksOfCocosImagesLieWhereCocoSamSays) {
  setenv("COCO_SAM", "masks", 1);
  EXPECT_EQ(Catalog(DatasetRoots{"a", "b"}).find("coco_sam_train_stuff_all_sem_seg").labels[0].path,
            "b/masks");
  setenv("COCO_SAM", "/elsewhere", 1);
  EXPECT_EQ(Catalog(DatasetRoots{"a", "b"}).find("coco_sam_train_stuff_all_sem_seg").labels[0].path,
            "/elsewhere");
  unsetenv("COCO_SAM");
}

TEST(Catalog, FindsCocoStuffInEveryPlaceWhereItIsKept) {
  struct Place {
    const char *images, *labels;
    bool prepared;
  };
  for (const auto& [images, labels, prepared] : std::initializer_list<Place>{
           {"coco/val2017", "coco/annotations_detectron2/val2017", true},  // the public code's
           {"coco-stuff/images/val2017", "coco-stuff/annotations_detectron2/val2017", true},
           {"coco/val2017", "coco-stuff/annotations_detectron2/val2017", true},
           {"coco-stuff/images/val2017", "coco-stuff/annotations/val2017", false},
           {"coco/val2017", "coco/stuffthingmaps/val2017", false},
           {"coco/images/val2017", "coco/stuffthingmaps_trainval2017/val2017", false},
           {"coco/val2017", "stuffthingmaps_trainval2017/val2017", false},
           {"coco-stuff/val2017", "coco-stuff/stuffthingmaps/val2017", false}}) {
    const TempFolder folder;
    std::filesystem::create_directories(folder / images);
    std::filesystem::create_directories(folder / labels);
    write_text(folder / images / "000000000139.jpg", "x");
    write_text(folder / labels / "000000000139.png", "x");
    const auto paths =
        locate(Catalog(DatasetRoots{folder.path(), ""}).find("coco_2017_test_stuff_all_sem_seg"));
    EXPECT_EQ(paths.images, folder / images);
    EXPECT_EQ(paths.labels.path, folder / labels);
    EXPECT_EQ(paths.labels.map.classes.empty(), prepared) << labels;
  }
}

TEST(Catalog, AnEmptyFolderOfImagesIsSkippedForAnotherLocation) {
  const TempFolder folder;
  std::filesystem::create_directories(folder / "coco-stuff/images/val2017");
  for (const char* name : {"coco/val2017/1.jpg", "coco/annotations_detectron2/val2017/1.png"}) {
    std::filesystem::create_directories((folder / name).parent_path());
    write_text(folder / name, "x");
  }
  EXPECT_EQ(
      locate(Catalog(DatasetRoots{folder.path(), ""}).find("coco_2017_test_stuff_all_sem_seg"))
          .images,
      folder / "coco/val2017");
}

TEST(Catalog, AMissingCocoStuffNamesAllPlacesTried) {
  const TempFolder folder;
  const DatasetInfo info =
      Catalog(DatasetRoots{folder.path(), ""}).find("coco_2017_test_stuff_all_sem_seg");
  std::string why;
  EXPECT_FALSE(on_disk(info, &why));
  EXPECT_THAT(why, AllOf(HasSubstr("coco-stuff/images/val2017"), HasSubstr("/coco/val2017")));
  std::filesystem::create_directories(folder / "coco/val2017");
  write_text(folder / "coco/val2017/1.jpg", "x");
  EXPECT_FALSE(on_disk(info, &why));
  EXPECT_THAT(why, AllOf(HasSubstr("coco/annotations_detectron2/val2017"),
                         HasSubstr("coco-stuff/annotations/val2017"),
                         HasSubstr("coco/stuffthingmaps/val2017")));
}

TEST(Catalog, CocosOwnIdsSkipTheElevenThatAreNotLabelled) {
  const auto ids = coco_category_ids();
  ASSERT_EQ(ids.size(), 171u);
  EXPECT_EQ(ids[0], 1);      // person
  EXPECT_EQ(ids[10], 11);    // fire hydrant
  EXPECT_EQ(ids[11], 13);    // stop sign
  EXPECT_EQ(ids[79], 90);    // toothbrush
  EXPECT_EQ(ids[80], 92);    // banner
  EXPECT_EQ(ids[170], 182);  // wood
  const Catalog catalog(DatasetRoots{});
  EXPECT_EQ(catalog.find("coco_2017_test_stuff_all_sem_seg").prediction_ids, ids);
  EXPECT_TRUE(catalog.find("ade20k_150_test_sem_seg").prediction_ids.empty());
}

TEST(IdMaps, Context459HoldsEveryNameAndIgnoresWhatHasNone) {
  const IdMap raw = context_459_ids(false), prepared = context_459_ids(true);
  EXPECT_EQ(raw.classes[0], 459);
  EXPECT_EQ(raw.classes[2], 1);  // aeroplane
  EXPECT_EQ(raw.classes[459], 458);
  EXPECT_EQ(raw.classes.size(), 460u);
  EXPECT_EQ(prepared.classes[458], 458);
  EXPECT_EQ(prepared.classes[459], 459);
  EXPECT_EQ(prepared.classes[460], -1);
  EXPECT_EQ(prepared.classes[65535], 459);
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
  custom.images = "images";
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
