#include "data/sem_seg.hpp"

#include <algorithm>

#include "base/file.hpp"
#include "data/merged_labels.hpp"
#include "data/prepare.hpp"
#include "image/codec.hpp"
#include "image/rle.hpp"
#include "support/support.hpp"

namespace pixelclip {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::shared_folder;
using testing::TempFolder;

constexpr const char* ade = "ade20k_150_test_sem_seg";
constexpr const char* voc = "voc_2012_test_sem_seg";

void write_image(const fs::path& path, int64_t height = 2, int64_t width = 3) {
  fs::create_directories(path.parent_path());
  write_png(path, Image(height, width, 3));
}

void write_ids(const fs::path& path, std::vector<int32_t> ids, int64_t height = 2,
               int64_t width = 3) {
  fs::create_directories(path.parent_path());
  write_label_png(path, {height, width, std::move(ids)});
}

DatasetInfo find(const fs::path& root, const char* name) {
  return Catalog(DatasetRoots{root, root}).find(name);
}

std::vector<std::string> stems(const SemSegSet& set) {
  std::vector<std::string> stems;
  for (const auto& item : set.items()) stems.push_back(item.stem);
  return stems;
}

TEST(NaturalOrder, ComparesRunsOfDigitsAsNumbers) {
  std::vector<std::string> names = {
      "a10", "a2", "a02", "b1", "a2b", "a", "a9999999999999999999999"};
  std::sort(names.begin(), names.end(), natural_less);
  EXPECT_THAT(names, ElementsAre("a", "a02", "a2", "a2b", "a10", "a9999999999999999999999", "b1"));
}

TEST(SemSeg, PairsByStemInNaturalOrderAndReportsWhatHasNoPartner) {
  const TempFolder folder;
  const fs::path base = folder / "ADEChallengeData2016";
  for (const char* name : {"v_10", "v_9", "alone"}) {
    write_image(base / "images/validation" / str(name, ".png"));
  }
  for (const char* name : {"v_9", "v_10", "orphan_1", "orphan_2"}) {
    write_ids(base / "annotations/validation" / str(name, ".png"), {0, 1, 2, 3, 150, 0});
  }
  write_text(base / "annotations/validation/._v_9.png", "a Mac left this");
  const SemSegSet set(find(folder.path(), ade));
  EXPECT_THAT(stems(set), ElementsAre("v_9", "v_10"));
  EXPECT_THAT(set.report().images_without_labels, ElementsAre("alone"));
  EXPECT_THAT(set.report().labels_without_image, ElementsAre("orphan_1", "orphan_2"));
  EXPECT_THAT(set.report().summary("x", 2),
              AllOf(HasSubstr("2 pairs"), HasSubstr("1 images without labels (alone)"),
                    HasSubstr("2 labels without an image (orphan_1, orphan_2)")));
  EXPECT_THAT(set.labels(set.items()[0], 150).ids, ElementsAre(255, 0, 1, 2, 149, 255));
}

TEST(SemSeg, PreparedLabelsAreReadAsTheyAre) {
  const TempFolder folder;
  const fs::path base = folder / "ADEChallengeData2016";
  write_image(base / "images/validation/a.png");
  write_ids(base / "annotations_detectron2/validation/a.png", {0, 1, 2, 149, 255, 0});
  const SemSegSet set(find(folder.path(), ade));
  EXPECT_THAT(set.labels(set.items().at(0), 150).ids, ElementsAre(0, 1, 2, 149, 255, 0));
}

TEST(SemSeg, AnIdWithoutMeaningIsNamedWithFileAndValue) {
  LabelMap labels{1, 2, {0, 151}};
  EXPECT_ERROR(apply_ids(labels, ade20k_ids(), 150, 255, "x/y.png"),
               AllOf(HasSubstr("x/y.png"), HasSubstr("the id 151")));
  labels.ids = {3, 20};
  EXPECT_ERROR(apply_ids(labels, {}, 20, 255, "p.png"),
               AllOf(HasSubstr("p.png"), HasSubstr("the id 20"), HasSubstr("20 classes")));
  labels.ids = {3, 20};
  EXPECT_ERROR(apply_ids(labels, voc_ids(false), 10, 255, "p.png"),
               AllOf(HasSubstr("id 20"), HasSubstr("class 19"), HasSubstr("only 10")));
  labels.ids = {1, 77};
  EXPECT_ERROR(apply_ids(labels, voc_ids(false), 20, 255, "v.png"), HasSubstr("the id 77"));
  labels.ids = {1, 65535};
  EXPECT_ERROR(apply_ids(labels, {}, 20, 255, "v.png"), HasSubstr("(ignore: 65535)?"));
  labels.ids = {200, 11};
  apply_ids(labels, coco_stuff_ids(), 171, 255, "c.png");
  EXPECT_THAT(labels.ids, ElementsAre(255, 255));
}

TEST(SemSeg, DamagedLabelFilesAreNamed) {
  const TempFolder folder;
  const fs::path base = folder / "ADEChallengeData2016";
  write_image(base / "images/validation/a.png");
  write_image(base / "images/validation/b.png");
  write_image(base / "images/validation/c.png");
  fs::create_directories(base / "annotations/validation");
  write_text(base / "annotations/validation/a.png", "no image");
  write_text(base / "annotations/validation/b.png", "");
  write_png(base / "annotations/validation/c.png", Image(2, 3, 3));  // colors, not ids
  const SemSegSet set(find(folder.path(), ade));
  ASSERT_EQ(set.items().size(), 3u);
  for (const SemSegItem& item : set.items()) {
    EXPECT_ERROR(set.labels(item, 150), HasSubstr(item.label.string()));
  }
}

TEST(SemSeg, CityscapesReadsTrainIdsOrElseLabelIds) {
  const TempFolder folder;
  const fs::path images = folder / "cityscapes/leftImg8bit/val/ulm";
  const fs::path labels = folder / "cityscapes/gtFine/val/ulm";
  write_image(images / "ulm_000000_000019_leftImg8bit.png");
  write_ids(labels / "ulm_000000_000019_gtFine_labelIds.png", {7, 8, 9, 33, 0, 26});
  const DatasetInfo info = find(folder.path(), "cityscapes_fine_sem_seg_val");
  {
    const SemSegSet set(info);
    EXPECT_THAT(stems(set), ElementsAre("ulm_000000_000019"));
    EXPECT_THAT(set.labels(set.items().at(0), 19).ids, ElementsAre(0, 1, 255, 18, 255, 13));
  }
  write_ids(labels / "ulm_000000_000019_gtFine_labelTrainIds.png", {5, 5, 5, 5, 5, 255});
  const SemSegSet set(info);
  EXPECT_THAT(set.labels(set.items().at(0), 19).ids, ElementsAre(5, 5, 5, 5, 5, 255));
}

/// A world of two images in PASCAL-Context's form: "a" with two overlapping masks, "t" for
/// training.
std::string merged_json() {
  const auto runs = [](std::vector<uint32_t> counts) {
    return "{\"size\": [2, 3], \"counts\": \"" + encode_rle({2, 3, std::move(counts)}) + "\"}";
  };
  return R"({"info": {"x": [1, {"y": 2}]}, "images": [
    {"file_name": "a.jpg", "phase": "val", "image_id": 2008000001, "height": 2, "width": 3},
    {"file_name": "t.jpg", "phase": "train", "image_id": 2008000002, "height": 2, "width": 3}],
    "annos_joints": [{"deep": [[{"a": 1}]]}],
    "annos_segmentation": [
      {"image_id": 2008000001, "category_id": 2, "segmentation": )" +
         runs({0, 4, 2}) + R"(},
      {"image_id": 2008000001, "category_id": 458, "segmentation": )" +
         runs({3, 2, 1}) + R"(},
      {"image_id": 2008000001, "category_id": 3,
       "segmentation": {"size": [2, 3], "counts": [1, 1, 4]}}]})";
}

TEST(SemSeg, ContextIsDrawnFromTheMergedFileInItsOrder) {
  const TempFolder folder;
  const fs::path base = folder / "VOCdevkit/VOC2010";
  write_image(base / "JPEGImages/a.png");
  write_image(base / "JPEGImages/t.png");
  write_text(base / "trainval_merged.json", merged_json());
  const SemSegSet set(find(folder.path(), "context_59_test_sem_seg"));
  EXPECT_THAT(stems(set), ElementsAre("a"));
  EXPECT_TRUE(set.report().images_without_labels.empty());
  // Columns first: 2 at pixels 0–3, 458 at 3–4, 3 (not one of the 59) at 1.
  EXPECT_THAT(set.stored_ids(set.items().at(0)).ids, ElementsAre(2, 2, 458, 3, 458, 0));
  EXPECT_THAT(set.labels(set.items().at(0), 59).ids, ElementsAre(0, 0, 58, 255, 58, 255));
}

TEST(SemSeg, ContextsTrainingImagesAreThoseOfTheOtherPhase) {
  const TempFolder folder;
  const fs::path base = folder / "VOCdevkit/VOC2010";
  write_image(base / "JPEGImages/a.png");
  write_image(base / "JPEGImages/t.png");
  write_text(base / "trainval_merged.json", merged_json());
  EXPECT_THAT(stems(SemSegSet(find(folder.path(), "context_59_train_sem_seg"))), ElementsAre("t"));
}

TEST(SemSeg, Context459KeepsEveryCategoryFromTheMergedFileAndFromPreparedFiles) {
  const TempFolder folder;
  const fs::path base = folder / "VOCdevkit/VOC2010";
  write_image(base / "JPEGImages/a.png");
  write_text(base / "trainval_merged.json", merged_json());
  const auto labels = [&] {
    const SemSegSet set(find(folder.path(), "context_459_test_sem_seg"));
    return set.labels(set.items().at(0), 459).ids;
  };
  EXPECT_THAT(labels(), ElementsAre(1, 1, 457, 2, 457, 459));
  EXPECT_EQ(prepare_sem_seg("context_459_test_sem_seg", {.root = folder.path()}).written, 1);
  fs::remove(base / "trainval_merged.json");
  EXPECT_THAT(labels(), ElementsAre(1, 1, 457, 2, 457, 459));
  write_ids(base / "annotations_detectron2/pc459_val/a.png", {458, 459, 65535, 0, 0, 0});
  EXPECT_THAT(labels(), ElementsAre(458, 459, 459, 0, 0, 0));
  write_ids(base / "annotations_detectron2/pc459_val/a.png", {460, 0, 0, 0, 0, 0});
  EXPECT_ERROR(labels(), HasSubstr("id 460"));
}

TEST(SemSeg, ADamagedMergedFileIsNamedWithWhatIsWrong) {
  const TempFolder folder;
  const fs::path path = folder / "trainval_merged.json";
  const auto with = [&](const std::string& text) {
    write_text(path, text);
    return path;
  };
  EXPECT_ERROR(MergedLabels(with(merged_json().substr(0, 300))), HasSubstr("cut short"));
  EXPECT_ERROR(MergedLabels(with("")), HasSubstr("trainval_merged.json"));
  EXPECT_ERROR(MergedLabels(with("[1, 2]")), HasSubstr("no image"));
  EXPECT_ERROR(MergedLabels(with(R"({"images": [{"file_name": 3}]})")), HasSubstr("lacks"));
  EXPECT_ERROR(MergedLabels(with(R"({"images": []})")), HasSubstr("phase \"val\""));
  std::string text = merged_json();
  text.replace(text.find("\"height\": 2"), 11, "\"height\": 9");
  EXPECT_ERROR(MergedLabels(with(text)).paint("a"), HasSubstr("its image 3×9"));
  text = merged_json();
  text.replace(text.find("[1, 1, 4]"), 9, "[1, 1, 5]");
  EXPECT_ERROR(MergedLabels(with(text)).paint("a"), HasSubstr("a mask of a"));
}

TEST(Prepare, VocWritesTheListedImagesAndLeavesOutThoseWithNothing) {
  const TempFolder folder;
  const fs::path root = folder / "in", out = folder / "out";
  const fs::path base = root / "VOCdevkit/VOC2012";
  for (const char* name : {"one", "empty", "unlisted"}) {
    write_image(base / "JPEGImages" / str(name, ".png"));
  }
  write_ids(base / "SegmentationClassAug/one.png", {0, 1, 20, 255, 2, 0});
  write_ids(base / "SegmentationClassAug/empty.png", {0, 0, 0, 255, 0, 0});
  write_ids(base / "SegmentationClassAug/unlisted.png", {1, 1, 1, 1, 1, 1});
  fs::create_directories(base / "ImageSets/Segmentation");
  write_text(base / "ImageSets/Segmentation/val.txt", "one\nempty\n");
  const PrepareReport report = prepare_sem_seg("voc", {.root = root, .out = out, .threads = 2});
  EXPECT_EQ(report.written, 3);  // one and one, empty with background
  EXPECT_EQ(report.skipped, 1);
  EXPECT_TRUE(report.failed.empty());
  const fs::path made = out / "VOCdevkit/VOC2012";
  EXPECT_FALSE(fs::exists(made / "annotations_detectron2/val/empty.png"));
  EXPECT_THAT(read_labels(made / "annotations_detectron2/val/one.png").ids,
              ElementsAre(255, 0, 19, 255, 1, 255));
  EXPECT_THAT(read_labels(made / "annotations_detectron2_bg/val/one.png").ids,
              ElementsAre(20, 0, 19, 255, 1, 20));
  EXPECT_FALSE(fs::exists(base / "annotations_detectron2"));

  // The folder stands for the set: labels as prepared, images and list through links.
  const SemSegSet set(find(out, voc));
  EXPECT_THAT(stems(set), ElementsAre("one"));
  EXPECT_TRUE(set.report().images_without_labels.empty());
  EXPECT_THAT(set.labels(set.items().at(0), 20).ids, ElementsAre(255, 0, 19, 255, 1, 255));
}

TEST(Prepare, ASecondCallMakesOnlyWhatIsMissingOrCutShort) {
  const TempFolder folder;
  const fs::path base = folder / "ADEChallengeData2016";
  for (const char* name : {"a", "b", "c"}) {
    write_image(base / "images/validation" / str(name, ".png"));
    write_ids(base / "annotations/validation" / str(name, ".png"), {0, 1, 2, 3, 4, 150});
  }
  EXPECT_EQ(prepare_sem_seg("ade20k", {.root = folder.path()}).written, 3);
  const fs::path made = base / "annotations_detectron2/validation";
  const std::string whole = read_text(made / "a.png");
  write_text(made / "a.png", whole.substr(0, whole.size() - 5));
  fs::remove(made / "b.png");
  const PrepareReport second = prepare_sem_seg("ade20k", {.root = folder.path()});
  EXPECT_EQ(second.written, 2);
  EXPECT_EQ(second.kept, 1);
  EXPECT_EQ(read_text(made / "a.png"), whole);
  EXPECT_THAT(read_labels(made / "c.png").ids, ElementsAre(255, 0, 1, 2, 3, 149));
}

TEST(Prepare, CityscapesMakesTrainIdsBesideTheLabelIds) {
  const TempFolder folder;
  const fs::path labels = folder / "cityscapes/gtFine/val/ulm";
  write_image(folder / "cityscapes/leftImg8bit/val/ulm/u_1_leftImg8bit.png");
  write_ids(labels / "u_1_gtFine_labelIds.png", {7, 8, 9, 33, 0, 26});
  EXPECT_EQ(prepare_sem_seg("cityscapes", {.root = folder.path()}).written, 1);
  EXPECT_THAT(read_labels(labels / "u_1_gtFine_labelTrainIds.png").ids,
              ElementsAre(0, 1, 255, 18, 255, 13));
  EXPECT_EQ(prepare_sem_seg("cityscapes", {.root = folder.path()}).kept, 1);
}

TEST(Prepare, ContextWritesTheImagesOfTheMergedFile) {
  const TempFolder folder;
  const fs::path base = folder / "VOCdevkit/VOC2010";
  write_image(base / "JPEGImages/a.png");
  write_text(base / "trainval_merged.json", merged_json());
  EXPECT_EQ(prepare_sem_seg("context", {.root = folder.path()}).written, 1);
  EXPECT_THAT(read_labels(base / "annotations_detectron2/pc59_val/a.png").ids,
              ElementsAre(0, 0, 58, 255, 58, 255));
}

TEST(Prepare, ADamagedFileIsListedAndTheOthersAreMade) {
  const TempFolder folder;
  const fs::path base = folder / "coco-stuff";
  for (const char* name : {"1", "2", "3"}) write_image(base / "images/val2017" / str(name, ".png"));
  write_ids(base / "annotations/val2017/1.png", {0, 10, 11, 12, 181, 255});
  write_text(base / "annotations/val2017/2.png", "damaged");
  write_ids(base / "annotations/val2017/3.png", {0, 0, 0, 0, 0, 0});
  const PrepareReport report = prepare_sem_seg("coco-stuff", {.root = folder.path()});
  EXPECT_EQ(report.written, 2);
  EXPECT_THAT(report.failed, ElementsAre(HasSubstr("2.png")));
  EXPECT_THAT(read_labels(base / "annotations_detectron2/val2017/1.png").ids,
              ElementsAre(0, 10, 255, 11, 170, 255));
}

TEST(Prepare, CocoStuffWritesBothHalvesBesideTheirPublishedLabels) {
  const TempFolder folder;
  for (const char* split : {"val2017", "train2017"}) {
    write_image(folder / "coco" / split / "1.png");
    write_ids(folder / "coco/stuffthingmaps" / split / "1.png", {0, 10, 11, 12, 181, 255});
  }
  EXPECT_EQ(prepare_sem_seg("coco-stuff", {.root = folder.path()}).written, 2);
  for (const char* split : {"val2017", "train2017"}) {
    EXPECT_THAT(read_labels(folder / "coco/annotations_detectron2" / split / "1.png").ids,
                ElementsAre(0, 10, 255, 11, 170, 255));
  }
  EXPECT_FALSE(fs::exists(folder / "coco-stuff"));
  EXPECT_EQ(prepare_sem_seg("coco-stuff", {.root = folder.path()}).kept, 2);
}

TEST(Prepare, CocoStuffLeavesOutTheHalfThatIsNotThere) {
  const TempFolder folder;
  EXPECT_ERROR(prepare_sem_seg("coco-stuff", {.root = folder.path()}),
               HasSubstr("coco_2017_test_stuff_all_sem_seg"));
  write_image(folder / "coco-stuff/images/train2017/1.png");
  write_ids(folder / "coco-stuff/annotations/train2017/1.png", {0, 0, 0, 0, 0, 0});
  EXPECT_EQ(prepare_sem_seg("coco-stuff", {.root = folder.path()}).written, 1);
  EXPECT_TRUE(fs::exists(folder / "coco-stuff/annotations_detectron2/train2017/1.png"));
}

TEST(Prepare, TakesTheNameOfATestSetAndRefusesOthers) {
  const TempFolder folder;
  const fs::path base = folder / "VOCdevkit/VOC2010";
  write_image(base / "JPEGImages/t.png");
  write_text(base / "trainval_merged.json", merged_json());
  EXPECT_EQ(prepare_sem_seg("context_59_train_sem_seg", {.root = folder.path()}).written, 1);
  EXPECT_TRUE(fs::exists(base / "annotations_detectron2/pc59_train/t.png"));
  EXPECT_ERROR(prepare_sem_seg("coco_2017_semi_stuff_all_sem_seg", {}),
               HasSubstr("cannot prepare"));
  EXPECT_ERROR(prepare_sem_seg("sam_resized", {}), HasSubstr("cannot prepare"));
}

TEST(Prepare, AnUnknownSetIsNamedWithTheNearest) {
  EXPECT_ERROR(prepare_sem_seg("ade20", {}), HasSubstr("did you mean ade20k?"));
}

TEST(Prepare, RealVocLabelsFollowTheRule) {
  SKIP_WITHOUT_SHARED();
  const TempFolder out;
  const fs::path root = shared_folder() / "data/voc_mini";
  const PrepareReport report = prepare_sem_seg("voc", {.root = root, .out = out.path()});
  EXPECT_TRUE(report.failed.empty());
  EXPECT_EQ(report.written + report.skipped, 120);
  const SemSegSet raw(find(root, voc)), prepared(find(out.path(), voc));
  ASSERT_GE(prepared.items().size(), 55u);
  EXPECT_EQ(raw.items().size(), 60u);
  size_t at = 0;
  for (const SemSegItem& item : raw.items()) {
    const LabelMap labels = raw.labels(item, 20), stored = raw.stored_ids(item);
    ASSERT_EQ(labels.ids.size(), stored.ids.size());
    bool something = false;
    for (size_t i = 0; i < labels.ids.size(); ++i) {
      const int id = stored.ids[i];
      ASSERT_EQ(labels.ids[i], id == 0 || id == 255 ? 255 : id - 1) << item.label;
      something |= labels.ids[i] != 255;
    }
    if (!something) continue;
    ASSERT_LT(at, prepared.items().size());
    EXPECT_EQ(prepared.items()[at].stem, item.stem);
    EXPECT_EQ(prepared.stored_ids(prepared.items()[at]).ids, labels.ids);
    ++at;
  }
  EXPECT_EQ(at, prepared.items().size());
}

}  // namespace
}  // namespace pixelclip
