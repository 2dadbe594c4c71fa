#include <unistd.h>

#include "base/file.hpp"
#include "data/sem_seg.hpp"
#include "data/synthetic_sa1b.hpp"

namespace pixelclip {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;
using namespace testing;

/// A declared test set of images and labels that a test lays out.
struct Layout {
  TempFolder folder;
  CustomDataset set;

  Layout() {
    set.name = "mine";
    set.images = (folder / "images").string();
    set.labels = (folder / "labels").string();
    set.names = {"wall", "sky", "tree"};
  }
  void image(const std::string& name) const { file(folder / "images" / name, "image"); }
  void label(const std::string& name) const { file(folder / "labels" / name, "label"); }
  void list(const std::string& text) {
    set.list = (folder / "list.txt").string();
    write_text(set.list, text);
  }
  SemSegSet open() const { return SemSegSet(custom_dataset(set)); }
  /// "image → label", below the folder.
  std::vector<std::string> pairs(const SemSegSet& opened) const {
    std::vector<std::string> pairs;
    for (const auto& item : opened.items()) {
      pairs.push_back(str(item.image.lexically_relative(folder / "images").string(), " → ",
                          item.label.lexically_relative(folder / "labels").string()));
    }
    return pairs;
  }
  std::vector<std::string> pairs() const { return pairs(open()); }

 private:
  static void file(const fs::path& path, const std::string& text) {
    fs::create_directories(path.parent_path());
    write_text(path, text);
  }
};

TEST(Pairs, LabelsMayBeTiffAndBmpAndEndInAnyCase) {
  Layout layout;
  for (const char* name : {"a.jpg", "b.JPG", "c.webp", "d.tif"}) layout.image(name);
  for (const char* name : {"a.tif", "b.TIFF", "c.bmp", "d.PNG", "d.tif", "e.jpg"})
    layout.label(name);
  EXPECT_THAT(layout.pairs(),
              ElementsAre("a.jpg → a.tif", "b.JPG → b.TIFF", "c.webp → c.bmp", "d.tif → d.PNG"));
}

TEST(Pairs, ASuffixOfLabelsAndOfImagesIsNoPartOfTheName) {
  Layout layout;
  layout.image("x_image.jpg");
  layout.image("x_depth.png");
  layout.label("x_labelIds.tif");
  layout.label("x.png");
  layout.label("x_labelIds_color.png");
  layout.set.image_suffix = "_image";
  layout.set.label_suffix = "_labelIds";
  EXPECT_THAT(layout.pairs(), ElementsAre("x_image.jpg → x_labelIds.tif"));
  layout.set.label_suffix = ".png";
  EXPECT_THAT(layout.pairs(), ElementsAre("x_image.jpg → x.png"));
  layout.set.label_suffix = "_mask.png";
  EXPECT_ERROR(layout.open(), HasSubstr("labels (files *_mask.png)"));
  layout.set.label_suffix = "_mask";
  EXPECT_ERROR(layout.open(), HasSubstr("(files *_mask.png, *_mask.tif, *_mask.tiff, *_mask.bmp)"));
}

TEST(Pairs, ImagesAndLabelsMayShareAFolder) {
  Layout layout;
  layout.set.labels = layout.set.images;
  layout.image("a.jpg");
  layout.image("a.png");
  layout.image("b.png");
  layout.image("b_mask.png");
  EXPECT_EQ(layout.open().items().size(), 1u);
  layout.set.label_suffix = "_mask";
  const SemSegSet set = layout.open();
  ASSERT_EQ(set.items().size(), 1u);
  EXPECT_EQ(set.items()[0].label.filename(), "b_mask.png");
}

TEST(Pairs, RepeatingNamesPairByTheirPathThenByTheirStemWhereItIsUnique) {
  Layout layout;
  for (const char* name : {"seq1/0001.jpg", "seq2/0001.jpg", "deep/only.jpg"}) layout.image(name);
  for (const char* name : {"seq1/0001.png", "seq2/0001.png", "only.png"}) layout.label(name);
  const SemSegSet set = layout.open();
  EXPECT_THAT(layout.pairs(set),
              UnorderedElementsAre("seq1/0001.jpg → seq1/0001.png", "seq2/0001.jpg → seq2/0001.png",
                                   "deep/only.jpg → only.png"));
  std::vector<std::string> stems;
  for (const auto& item : set.items()) stems.push_back(item.stem);
  EXPECT_THAT(stems, UnorderedElementsAre("seq1/0001", "seq2/0001", "only"));
}

TEST(Pairs, ADeeperLabelFolderPairsByTheEndOfThePath) {
  Layout layout;
  for (const char* name : {"seq1/0001.jpg", "seq2/0001.jpg"}) layout.image(name);
  for (const char* name : {"gt/seq1/0001.png", "gt/seq2/0001.png"}) layout.label(name);
  EXPECT_THAT(layout.pairs(),
              ElementsAre("seq1/0001.jpg → gt/seq1/0001.png", "seq2/0001.jpg → gt/seq2/0001.png"));
}

TEST(Pairs, ADoubleLeavesOutThatStemAloneAndIsNamed) {
  Layout layout;
  for (const char* name : {"a.jpg", "more/a.jpg", "b.jpg", "b.png", "c.jpg", "x/d.jpg", "y/d.jpg"})
    layout.image(name);
  for (const char* name : {"a.png", "b.png", "c.png", "d.png"}) layout.label(name);
  const SemSegSet set = layout.open();
  EXPECT_THAT(layout.pairs(set), ElementsAre("a.jpg → a.png", "c.jpg → c.png"));
  EXPECT_THAT(set.report().ambiguous, ElementsAre("b", "more/a", "x/d", "y/d"));
  EXPECT_EQ(set.report().expected, 6);
  EXPECT_THAT(set.report().summary("mine", 2),
              HasSubstr("4 left out because several files could be meant"));
}

TEST(Pairs, NamesInComposedAndDecomposedFormAreAlike) {
  Layout layout;
  layout.image("caf\xC3\xA9.jpg");               // é
  layout.label("cafe\xCC\x81.png");              // e and an accent, as macOS writes it
  layout.image("\xEA\xB0\x80.jpg");              // a Hangul syllable
  layout.label("\xE1\x84\x80\xE1\x85\xA1.png");  // and its letters
  layout.image("\xFF\xFE.jpg");                  // no UTF-8 at all
  layout.label("\xFF\xFE.png");
  EXPECT_EQ(layout.open().items().size(), 3u);
  layout.list("cafe\xCC\x81\n");
  EXPECT_EQ(layout.open().items().size(), 1u);
}

TEST(Pairs, AListMayHoldAMarkPathsEndingsAndTwoColumns) {
  Layout layout;
  for (const char* name :
       {"1.jpg", "s/2.jpg", "t/2.jpg", "3 4.jpg", "5.jpg", "6.jpg", "unlisted.jpg"})
    layout.image(name);
  for (const char* name :
       {"1.png", "s/2.png", "t/2.png", "3 4.png", "five.png", "6.png", "unlisted.png"})
    layout.label(name);
  layout.list(
      "\xEF\xBB\xBF"
      "1\r\n"
      "# a remark\n"
      "/data/images/s/2.jpg\n"
      "3 4.jpg\n"
      "images/5.jpg labels/five.png\n"
      "images\\6.jpg,labels\\6.png\n"
      "7.jpg 1\n");
  const SemSegSet set = layout.open();
  EXPECT_THAT(layout.pairs(set),
              UnorderedElementsAre("1.jpg → 1.png", "s/2.jpg → s/2.png", "3 4.jpg → 3 4.png",
                                   "5.jpg → five.png", "6.jpg → 6.png"));
  EXPECT_THAT(set.report().images_without_labels, ElementsAre("7"));
  EXPECT_EQ(set.report().expected, 6);
}

TEST(Pairs, AListThatNamesOneOfSeveralByItsStemLeavesThatOut) {
  Layout layout;
  for (const char* name : {"s/2.jpg", "t/2.jpg", "3.jpg"}) layout.image(name);
  for (const char* name : {"s/2.png", "t/2.png", "3.png"}) layout.label(name);
  layout.list("2\n3\n");
  const SemSegSet set = layout.open();
  EXPECT_THAT(layout.pairs(set), ElementsAre("3.jpg → 3.png"));
  EXPECT_THAT(set.report().ambiguous, ElementsAre("2"));
}

TEST(Pairs, MutatedListsNeverNameWhatIsNotThere) {
  Layout layout;
  for (const char* name : {"1.jpg", "s/2.jpg", "t/2.jpg", "3 4.jpg"}) layout.image(name);
  for (const char* name : {"1.png", "s/2.png", "t/2.png", "3 4.png"}) layout.label(name);
  const std::string whole =
      "\xEF\xBB\xBF"
      "1\ns/2.jpg\tt/2.png\n./t\\2 1\n# no\n3 4.jpg,3 4.png\ncafe\xCC\x81\n";
  Random random(5);
  for (int i = 0; i < 200; ++i) {
    std::string text = whole;
    for (int64_t n = random.integer(1, 5); n > 0; --n) {
      const auto at = static_cast<size_t>(random.integer(0, static_cast<int64_t>(text.size())));
      const char* signs = "/\\. \t,\n#1";
      text[at] = random.chance(0.5) ? signs[random.integer(0, 9)]
                                    : static_cast<char>(random.integer(0, 256));
    }
    layout.list(text);
    try {
      const SemSegSet set = layout.open();
      EXPECT_LE(set.items().size(), 4u);
      EXPECT_GE(set.report().expected, static_cast<int64_t>(set.items().size()));
      for (const auto& item : set.items()) {
        EXPECT_TRUE(fs::exists(item.image)) << text;
        EXPECT_TRUE(fs::exists(item.label)) << text;
      }
    } catch (const Error& e) {
      EXPECT_THAT(e.what(), HasSubstr("list.txt"));
    }
  }
}

TEST(Pairs, AMissingOrBinaryListIsAnError) {
  Layout layout;
  layout.image("a.jpg");
  layout.label("a.png");
  layout.set.list = "nowhere.txt";
  EXPECT_ERROR(layout.open(), HasSubstr("nowhere.txt"));
  layout.list(std::string("\xFF\xFE\x61\0\n\0", 6));
  EXPECT_ERROR(layout.open(), HasSubstr("no text in UTF-8"));
}

TEST(Pairs, LinkedFoldersAreReadAndAnUnreadableOneIsNamed) {
  Layout layout;
  fs::create_directories(layout.folder / "disk");
  write_text(layout.folder / "disk/a.jpg", "");
  layout.image("b.jpg");
  for (const char* name : {"a.png", "b.png"}) layout.label(name);
  fs::create_symlink(layout.folder / "disk", layout.folder / "images/linked");
  fs::create_symlink(layout.folder / "images", layout.folder / "images/circle");
  const bool all_powerful = geteuid() == 0;
  fs::create_directories(layout.folder / "labels/closed");
  if (!all_powerful) fs::permissions(layout.folder / "labels/closed", fs::perms::none);
  const SemSegSet set = layout.open();
  EXPECT_THAT(layout.pairs(set), ElementsAre("linked/a.jpg → a.png", "b.jpg → b.png"));
  if (!all_powerful) {
    fs::permissions(layout.folder / "labels/closed", fs::perms::owner_all);
    EXPECT_THAT(set.report().left_out, ElementsAre(HasSubstr("labels/closed")));
    EXPECT_THAT(set.report().summary("mine", 2), HasSubstr("1 not readable"));
  }
}

/// ADE's folders with images 1 to `count`, prepared and published labels for some of them.
struct PartlyPrepared {
  TempFolder folder;

  PartlyPrepared(std::vector<int> images, std::vector<int> prepared, std::vector<int> published) {
    const fs::path base = folder / "ADEChallengeData2016";
    fs::create_directories(base / "images/validation");
    for (const char* kind : {"annotations", "annotations_detectron2"})
      fs::create_directories(base / kind / "validation");
    for (const int i : images)
      write_png(base / str("images/validation/", i, ".png"), Image(1, 2, 3));
    const auto labels = [&](const char* kind, int i, std::vector<int32_t> ids) {
      write_label_png(base / kind / str("validation/", i, ".png"), {1, 2, std::move(ids)});
    };
    for (const int i : prepared) labels("annotations_detectron2", i, {7, 255});
    for (const int i : published) labels("annotations", i, {8, 0});
  }
  SemSegSet open() const {
    return SemSegSet(Catalog(DatasetRoots{folder.path(), ""}).find("ade20k_150_test_sem_seg"));
  }
};

void expect_same_labels(const SemSegSet& set) {
  for (const auto& item : set.items())
    EXPECT_THAT(set.labels(item, 150).ids, ElementsAre(7, 255)) << item.stem;
}

TEST(PartlyPreparedLabels, TheSourceThatHasAllIsTaken) {
  const PartlyPrepared made({1, 2, 3}, {1}, {1, 2, 3});
  const SemSegSet set = made.open();
  EXPECT_EQ(set.items().size(), 3u);
  ASSERT_EQ(set.sources().size(), 1u);
  EXPECT_FALSE(set.sources()[0].prepared);
  EXPECT_THAT(set.report().filled_up, IsEmpty());
  expect_same_labels(set);
  const PartlyPrepared whole({1, 2}, {1, 2}, {1, 2});
  EXPECT_TRUE(whole.open().sources().at(0).prepared);
}

TEST(PartlyPreparedLabels, OneSourceSupplementsAnotherEachWithItsOwnIdMap) {
  const PartlyPrepared made({1, 2, 3, 4}, {1, 2}, {2, 3});
  const SemSegSet set = made.open();
  ASSERT_EQ(set.items().size(), 3u);
  EXPECT_THAT(set.items()[0].label.string(), HasSubstr("annotations_detectron2"));
  EXPECT_THAT(set.items()[2].label.string(), HasSubstr("annotations/validation"));
  expect_same_labels(set);
  EXPECT_THAT(set.report().summary("x", 3),
              AllOf(HasSubstr("2 labels from "), HasSubstr("1 labels from "),
                    HasSubstr("1 images without labels (4)")));
  EXPECT_EQ(set.report().expected, 2000);  // as many as were published
}

TEST(PartlyPreparedLabels, ACityWithoutTrainIdsIsReadFromItsLabelIds) {
  const TempFolder folder;
  const fs::path images = folder / "cityscapes/leftImg8bit/val",
                 labels = folder / "cityscapes/gtFine/val";
  for (const char* city : {"ulm", "bonn"}) {
    fs::create_directories(images / city);
    fs::create_directories(labels / city);
    write_png(images / city / str(city, "_0_leftImg8bit.png"), Image(1, 2, 3));
  }
  write_label_png(labels / "ulm/ulm_0_gtFine_labelTrainIds.png", {1, 2, {13, 255}});
  write_label_png(labels / "bonn/bonn_0_gtFine_labelIds.png", {1, 2, {26, 0}});
  const SemSegSet set(Catalog(DatasetRoots{folder.path(), ""}).find("cityscapes_fine_sem_seg_val"));
  ASSERT_EQ(set.items().size(), 2u);
  for (const auto& item : set.items()) EXPECT_THAT(set.labels(item, 19).ids, ElementsAre(13, 255));
}

TEST(SixteenBitLabels, MoreThan255ClassesIgnore65535) {
  Layout layout;
  layout.set.names.clear();
  for (int c = 0; c < 459; ++c) layout.set.names.push_back(str("class ", c));
  layout.image("a.png");
  layout.label("b.png");
  write_png(layout.folder / "images/a.png", Image(1, 3, 3));
  fs::remove(layout.folder / "labels/b.png");
  write_label_png(layout.folder / "labels/a.png", {1, 3, {255, 458, 65535}});
  const SemSegSet set = layout.open();
  EXPECT_EQ(set.info().ignore, 65535);
  EXPECT_THAT(set.labels(set.items().at(0), 459).ids, ElementsAre(255, 458, 65535));
  layout.set.ignore = 3;
  EXPECT_EQ(custom_dataset(layout.set).ignore, 3);
  layout.set.ignore = -1;
  layout.set.names.resize(255);
  EXPECT_EQ(custom_dataset(layout.set).ignore, 255);
}

/// A JPEG as stored, 8×10, that EXIF turns.
void write_turned(const fs::path& path, uint8_t orientation) {
  std::vector<uint8_t> jpeg = encode_jpeg(synthetic_image(8, 10, 1));
  const std::vector<uint8_t> exif = {
      0xFF, 0xE1, 0,    34,   'E', 'x', 'i', 'f', 0, 0, 'M', 'M',         0, 42, 0, 0, 0, 8,
      0,    1,    0x01, 0x12, 0,   3,   0,   0,   0, 1, 0,   orientation, 0, 0,  0, 0, 0, 0};
  jpeg.insert(jpeg.begin() + 2, exif.begin(), exif.end());
  write_file(path, std::string(jpeg.begin(), jpeg.end()));
}

TEST(Orientation, TheImageIsTurnedAsItsLabelsAre) {
  Layout layout;
  layout.image("a.jpg");
  layout.label("a.png");
  const fs::path image = layout.folder / "images/a.jpg";
  write_turned(image, 6);
  const SemSegSet set = layout.open();
  const auto& item = set.items().at(0);
  const Image shown = set.read_image(item, {10, 8, {}}), stored = set.read_image(item, {8, 10, {}});
  EXPECT_EQ(shown.pixels, read_rgb(image).pixels);
  EXPECT_EQ(stored.pixels, read_rgb(image, {.orient = false}).pixels);
  EXPECT_ERROR(set.read_image(item, {8, 8, {}}), AllOf(HasSubstr("8×10"), HasSubstr("8×8")));
  DatasetInfo unturned = custom_dataset(layout.set);
  unturned.exif_orientation = false;
  EXPECT_EQ(SemSegSet(unturned).read_image(item, {8, 10, {}}).width, 10);
  EXPECT_ERROR(SemSegSet(unturned).read_image(item, {10, 8, {}}), HasSubstr("10×8"));
  DatasetsConfig config;
  config.custom = {layout.set};
  config.exif_orientation = false;
  EXPECT_FALSE(Catalog(config).find("mine").exif_orientation);
  EXPECT_FALSE(Catalog(config).find("voc_2012_test_sem_seg").exif_orientation);
}

}  // namespace
}  // namespace pixelclip
