#include "base/file.hpp"
#include "data/prepare.hpp"
#include "data/sem_seg.hpp"
#include "image/codec.hpp"
#include "image/opencv_resize.hpp"
#include "support/support.hpp"

namespace pixelclip {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::TempFolder;

constexpr const char* kAde847 = "ade20k_full_sem_seg_freq_val_all";
constexpr const char* kObject = "coco_2017_test_object_sem_seg";

DatasetInfo find_set(const fs::path& root, const char* name) {
  return Catalog(DatasetRoots{root, root}).find(name);
}

void write_scene(const fs::path& path, int64_t height = 1, int64_t width = 4) {
  fs::create_directories(path.parent_path());
  Image image(height, width, 3);
  for (size_t i = 0; i < image.pixels.size(); ++i) image.pixels[i] = static_cast<uint8_t>(i * 7);
  write_png(path, image);
}

void write_label(const fs::path& path, std::vector<int32_t> ids) {
  fs::create_directories(path.parent_path());
  const auto width = static_cast<int64_t>(ids.size());
  write_label_png(path, {1, width, std::move(ids)});
}

/// A `*_seg.png` of the full ADE20K: the id's high part in red, in steps of ten.
void write_ade_ids(const fs::path& path, const std::vector<int>& ids, int64_t height,
                   int64_t width) {
  Image image(height, width, 3);
  for (size_t i = 0; i < ids.size(); ++i) {
    image.pixels[3 * i] = static_cast<uint8_t>(ids[i] / 256 * 10);
    image.pixels[3 * i + 1] = static_cast<uint8_t>(ids[i] % 256);
    image.pixels[3 * i + 2] = 99;  // instances
  }
  write_png(path, image);
}

TEST(LabelSources, CatalogListsTheSetsOfDenseClipPapers) {
  const Catalog catalog(DatasetRoots{"a", "b"});
  struct Expected {
    const char* name;
    int classes, ignore;
  };
  for (const auto& [name, classes, ignore] :
       {Expected{"voc_2012_test_background_sem_seg", 21, 255},
        Expected{"context_60_test_sem_seg", 60, 255}, Expected{kObject, 81, 255},
        Expected{kAde847, 847, 65535}, Expected{"ade20k_full_sem_seg_val", 847, 65535},
        Expected{"ade20k_full_sem_seg_train", 847, 65535},
        Expected{"context_459_test_sem_seg", 459, 459}}) {
    const DatasetInfo& info = catalog.find(name);
    EXPECT_EQ(info.ignore, ignore) << name;
    EXPECT_EQ(static_cast<int>(class_names(info).size()), classes) << name;
  }
}

TEST(LabelSources, CommasBelongToTheNamesOfAde847) {
  const auto names = class_names(find_set("a", kAde847));
  EXPECT_EQ(names[1], "building\\, edifice");
  EXPECT_EQ(names[846], "adding machine\\, totalizer\\, totaliser");
}

TEST(LabelSources, FullAde20kIsDecodedFromItsColors) {
  const TempFolder folder;
  const fs::path scene = folder / "ADE20K_2021_17_01/images/ADE/validation/urban/street";
  write_scene(scene / "ADE_val_00000001.png");
  write_scene(scene / "ADE_val_00000001/instance_000_ADE_val_00000001.png");
  write_ade_ids(scene / "ADE_val_00000001_seg.png", {2978, 312, 0, 3148}, 1, 4);
  const SemSegSet set(find_set(folder.path(), kAde847));
  ASSERT_EQ(set.items().size(), 1u);
  EXPECT_THAT(set.labels(set.items()[0], 847).ids, ElementsAre(0, 1, 65535, 846));
}

TEST(LabelSources, PreparingAde847WritesSixteenBitsAndShrinksToTheShortSide) {
  const TempFolder folder;
  const fs::path base = folder / "ADE20K_2021_17_01";
  const fs::path scene = base / "images/ADE/validation/a";
  constexpr int64_t kHeight = 600, kWidth = 801;
  write_scene(scene / "ADE_val_00000001.png", kHeight, kWidth);
  std::vector<int> ids(kHeight * kWidth);
  for (size_t i = 0; i < ids.size(); ++i) ids[i] = i % 3 == 0 ? 2978 : 3148;
  write_ade_ids(scene / "ADE_val_00000001_seg.png", ids, kHeight, kWidth);
  write_scene(scene / "ADE_val_00000002.png");
  write_ade_ids(scene / "ADE_val_00000002_seg.png", {2978, 312, 0, 3148}, 1, 4);

  const LabelMap full = [&] {
    const SemSegSet set(find_set(folder.path(), kAde847));
    return set.labels(set.items().at(0), 847);
  }();
  EXPECT_EQ(prepare_sem_seg("ade847", {.root = folder.path()}).written, 2);
  EXPECT_EQ(prepare_sem_seg("ade847", {.root = folder.path()}).kept, 2);
  const SemSegSet set(find_set(folder.path(), kAde847));
  ASSERT_EQ(set.items().size(), 2u);
  EXPECT_EQ(set.items()[0].image, base / "images_detectron2/validation/ADE_val_00000001.jpg");
  const LabelMap labels = set.labels(set.items()[0], 847);
  EXPECT_EQ(labels.height, 512);
  EXPECT_EQ(labels.width, 684);  // 801 / 600 · 512 = 683.52
  EXPECT_EQ(labels.ids, resize_nearest(full, 512, 684).ids);
  const Image image = set.read_image(set.items()[0], labels);
  EXPECT_EQ(image.height, 512);
  EXPECT_THAT(set.labels(set.items()[1], 847).ids, ElementsAre(0, 1, 65535, 846));
}

TEST(LabelSources, CocoObjectKeepsEightyThingsAndMakesTheRestBackground) {
  const TempFolder folder;
  write_scene(folder / "coco-stuff/images/val2017/1.png");
  const fs::path published = folder / "coco-stuff/annotations/val2017/1.png";
  write_label(published, {0, 89, 181, 255});
  const SemSegSet set(find_set(folder.path(), kObject));
  EXPECT_THAT(set.labels(set.items().at(0), 81).ids, ElementsAre(1, 80, 0, 0));
  EXPECT_EQ(prepare_sem_seg("coco-object", {.root = folder.path()}).written, 1);
  EXPECT_THAT(read_labels(folder / "coco-stuff/annotations_object/val2017/1.png").ids,
              ElementsAre(1, 80, 0, 0));
}

TEST(LabelSources, LayoutsOfMmsegmentationAreRead) {
  const TempFolder folder;
  const fs::path stuff = folder / "coco_stuff164k";
  write_scene(stuff / "images/val2017/1.png");
  write_label(stuff / "annotations/val2017/1.png", {0, 91, 181, 255});
  const auto labels = [&](const char* name, int classes) {
    const SemSegSet set(find_set(folder.path(), name));
    return set.labels(set.items().at(0), classes).ids;
  };
  EXPECT_THAT(labels("coco_2017_test_stuff_all_sem_seg", 171), ElementsAre(0, 80, 170, 255));
  EXPECT_THAT(labels(kObject, 81), ElementsAre(1, 0, 0, 0));
  write_label(stuff / "annotations/val2017/1_labelTrainIds.png", {5, 6, 7, 255});
  write_label(stuff / "annotations/val2017/1_instanceTrainIds.png", {0, 80, 7, 0});
  EXPECT_THAT(labels("coco_2017_test_stuff_all_sem_seg", 171), ElementsAre(5, 6, 7, 255));
  EXPECT_THAT(labels(kObject, 81), ElementsAre(0, 80, 7, 0));

  write_scene(folder / "ade/ADEChallengeData2016/images/validation/1.png");
  write_label(folder / "ade/ADEChallengeData2016/annotations/validation/1.png", {0, 1, 150, 2});
  EXPECT_THAT(labels("ade20k_150_test_sem_seg", 150), ElementsAre(255, 0, 149, 1));
}

TEST(LabelSources, SegmentationClassContextNeedsItsList) {
  const TempFolder folder;
  const fs::path base = folder / "VOCdevkit/VOC2010";
  for (const char* name : {"1", "2"}) {
    write_scene(base / "JPEGImages" / str(name, ".png"));
    write_label(base / "SegmentationClassContext" / str(name, ".png"), {0, 1, 59, 2});
  }
  EXPECT_ERROR(SemSegSet(find_set(folder.path(), "context_59_test_sem_seg")),
               HasSubstr("listed in " + (base / "ImageSets/SegmentationContext/val.txt").string()));
  fs::create_directories(base / "ImageSets/SegmentationContext");
  write_text(base / "ImageSets/SegmentationContext/val.txt", "2\n");
  const SemSegSet without(find_set(folder.path(), "context_59_test_sem_seg"));
  ASSERT_EQ(without.items().size(), 1u);
  EXPECT_EQ(without.items()[0].stem, "2");
  EXPECT_THAT(without.labels(without.items()[0], 59).ids, ElementsAre(255, 0, 58, 1));
  const SemSegSet with(find_set(folder.path(), "context_60_test_sem_seg"));
  EXPECT_THAT(with.labels(with.items().at(0), 60).ids, ElementsAre(59, 0, 58, 1));
}

}  // namespace
}  // namespace pixelclip
