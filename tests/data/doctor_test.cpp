#include "data/doctor.hpp"

#include "base/file.hpp"
#include "data/synthetic_sa1b.hpp"

namespace pixelclip {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using namespace testing;

/// A test set of `count` images of 8×10 with four classes; `fill(i)` gives the labels' ids.
struct SyntheticSet {
  TempFolder folder;
  DatasetInfo info{.name = "made", .names = {"wall", "sky", "tree", "car"}};

  explicit SyntheticSet(
      int count, const std::function<int32_t(int64_t)>& id = [](int64_t i) { return i % 4; }) {
    info.images = {folder / "images"};
    info.labels = {{.path = folder / "labels"}};
    fs::create_directories(folder / "images");
    fs::create_directories(folder / "labels");
    for (int i = 0; i < count; ++i) {
      write_jpeg(image(i), synthetic_image(8, 10, i));
      LabelMap labels{8, 10, {}};
      for (int64_t p = 0; p < 80; ++p) labels.ids.push_back(id(p));
      write_label_png(label(i), labels);
    }
  }
  fs::path image(int i) const { return folder / str("images/p", i, ".jpg"); }
  fs::path label(int i) const { return folder / str("labels/p", i, ".png"); }
};

TEST(Doctor, AGoodSetGetsAGoodVerdictInOneLine) {
  const SyntheticSet set(5, [](int64_t p) { return p < 8 ? 255 : static_cast<int32_t>(p % 4); });
  const Checkup checkup = examine_test_set(set.info);
  EXPECT_TRUE(checkup.good());
  EXPECT_THAT(checkup.hints, IsEmpty());
  EXPECT_THAT(checkup.verdict(),
              AllOf(HasSubstr("made: good: 5 pairs, 4 of 4 classes, 10.0 % ignored"),
                    HasSubstr("list "), ::testing::Not(HasSubstr("\n"))));
  EXPECT_THAT(checkup.facts, Contains(HasSubstr("0–3, 255")));
}

TEST(Doctor, TheChecksumIsOfTheNamesAlone) {
  const SyntheticSet a(3), b(3), c(4);
  EXPECT_EQ(examine_test_set(a.info).list, examine_test_set(b.info).list);
  EXPECT_NE(examine_test_set(a.info).list, examine_test_set(c.info).list);
}

TEST(Doctor, UnreadableMissingAndUnequalFilesAreCountedAndNamed) {
  const SyntheticSet set(8);
  write_file(set.image(1), "no image");
  write_file(set.label(2), "no labels");
  fs::remove(set.label(3));
  fs::remove(set.image(4));
  write_label_png(set.label(5), LabelMap{10, 8, std::vector<int32_t>(80)});
  const std::string whole = read_text(set.image(6));
  write_file(set.image(6), whole.substr(0, whole.size() / 2));
  const Checkup checkup = examine_test_set(set.info);
  EXPECT_FALSE(checkup.good());
  EXPECT_THAT(checkup.problems, Contains(AllOf(HasSubstr("2 images can not be read"),
                                               HasSubstr("p1.jpg"), HasSubstr("p6.jpg"))));
  EXPECT_THAT(checkup.problems,
              Contains(AllOf(HasSubstr("1 labels can not be read"), HasSubstr("p2.png"))));
  EXPECT_THAT(checkup.problems, Contains(HasSubstr("1 images have no labels")));
  EXPECT_THAT(checkup.problems,
              Contains(AllOf(HasSubstr("another size"), HasSubstr("p5: labels 10×8"))));
  EXPECT_THAT(checkup.hints, Contains(HasSubstr("1 labels have no image")));
  EXPECT_THAT(checkup.verdict(), HasSubstr("4 problems: "));
}

TEST(Doctor, ShiftedIdsAreDetected) {
  const SyntheticSet high(2, [](int64_t p) { return static_cast<int32_t>(1 + p % 4); });
  EXPECT_THAT(examine_test_set(high.info).problems,
              ElementsAre(AllOf(HasSubstr("unknown ids: 4"), HasSubstr("count from 0"))));
  // Published ids would be 1 to 4 with 0 ignored: these are prepared ones.
  SyntheticSet low(2, [](int64_t p) { return p < 9 ? 255 : static_cast<int32_t>(p % 4); });
  low.info.labels[0].map.classes = {255, 0, 1, 2, 3};
  EXPECT_THAT(examine_test_set(low.info).problems,
              ElementsAre(AllOf(HasSubstr("unknown ids: 255"), HasSubstr("prepared labels"))));
  SyntheticSet voc(2, [](int64_t p) { return p < 40 ? 255 : static_cast<int32_t>(p % 4); });
  voc.info.labels[0].map = {{255, 0, 1, 2, 3},
                            /*rest_ignored=*/true};  // 255 has a meaning among published ids, too
  EXPECT_TRUE(examine_test_set(voc.info).problems.empty());
  EXPECT_THAT(examine_test_set(voc.info).hints,
              Contains(HasSubstr("prepared labels where published ones belong")));
  SyntheticSet published(2, [](int64_t p) {
    return p < 9 ? 255 : p < 30 ? 0 : static_cast<int32_t>(1 + p % 3);
  });
  published.info.labels[0].map = {{255, 0, 1, 2, 3}, /*rest_ignored=*/true};
  EXPECT_TRUE(examine_test_set(published.info).hints.empty());
  const SyntheticSet lower(20, [](int64_t p) { return static_cast<int32_t>(1 + p % 3); });
  EXPECT_THAT(examine_test_set(lower.info).hints,
              Contains(HasSubstr("class 0 (wall) never occurs")));
}

TEST(Doctor, Confused0And255AreDetected) {
  const SyntheticSet zero(2, [](int64_t p) { return p < 60 ? 0 : static_cast<int32_t>(p % 4); });
  EXPECT_THAT(examine_test_set(zero.info).hints,
              Contains(HasSubstr("is 0 meant to be ignored (255)?")));
  const SyntheticSet binary(2, [](int64_t p) { return p < 60 ? 0 : 255; });
  EXPECT_THAT(examine_test_set(binary.info).problems,
              Contains(HasSubstr("contain only 0 and 255")));
  const SyntheticSet all(2, [](int64_t) { return 255; });
  EXPECT_THAT(examine_test_set(all.info).problems,
              Contains(HasSubstr("no pixel belongs to a class")));
  const SyntheticSet wrapped(20,
                             [](int64_t p) { return p < 9 ? 254 : static_cast<int32_t>(p % 4); });
  EXPECT_FALSE(examine_test_set(wrapped.info).good());
}

TEST(Doctor, LabelsOf16BitsThatIgnore65535AreDetected) {
  SyntheticSet set(2, [](int64_t p) { return p < 9 ? 65535 : static_cast<int32_t>(p % 4); });
  EXPECT_THAT(examine_test_set(set.info).problems, Contains(HasSubstr("(ignore: 65535)?")));
  set.info.ignore = 65535;
  EXPECT_TRUE(examine_test_set(set.info).good());
}

TEST(Doctor, PalettesSavedAsColorsOrGrayAreDetected) {
  const SyntheticSet set(2);
  Image colors(8, 10, 3);
  for (int64_t p = 0; p < 80; ++p) {  // VOC's colors of 0, 1 and 15
    const std::array<uint8_t, 3> c = p < 30   ? std::array<uint8_t, 3>{0, 0, 0}
                                     : p < 60 ? std::array<uint8_t, 3>{128, 0, 0}
                                              : std::array<uint8_t, 3>{192, 128, 128};
    std::copy(c.begin(), c.end(), colors.pixels.begin() + 3 * p);
  }
  write_png(set.label(0), colors);
  EXPECT_THAT(examine_test_set(set.info).problems,
              Contains(HasSubstr("PASCAL's palette as colors")));
  colors.pixels[5] = 77;
  write_png(set.label(0), colors);
  EXPECT_THAT(examine_test_set(set.info).problems,
              Contains(HasSubstr("labels are colors, not ids")));

  const SyntheticSet grey(2, [](int64_t p) { return p < 30 ? 0 : p < 60 ? 38 : 147; });
  EXPECT_THAT(examine_test_set(grey.info).problems,
              Contains(HasSubstr("gray levels of PASCAL's palette")));
}

TEST(Doctor, AnOrientationThatSizesCannotDecideIsAHint) {
  const SyntheticSet set(3);
  const auto turn = [&](int i, uint8_t orientation) {
    std::string jpeg = read_text(set.image(i));
    const std::string exif(
        "\xFF\xE1\0\x22"
        "Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\0\0\0\0\0\0\0",
        36);
    jpeg.insert(2, exif);
    jpeg[2 + 29] = static_cast<char>(orientation);
    write_file(set.image(i), jpeg);
  };
  turn(0, 3);  // by half a circle
  turn(1, 6);  // by a quarter, as its labels are not
  Checkup checkup = examine_test_set(set.info);
  EXPECT_TRUE(checkup.good());
  EXPECT_THAT(checkup.hints,
              Contains(AllOf(HasSubstr("1 images are rotated or mirrored by EXIF"),
                             HasSubstr("(p0)"), HasSubstr("DATASETS.EXIF_ORIENTATION"))));
  EXPECT_THAT(checkup.facts, Contains(AllOf(HasSubstr("1 images are read without EXIF rotation"),
                                            HasSubstr("(p1)"))));
  DatasetInfo ignoring = set.info;
  ignoring.exif_orientation = false;
  checkup = examine_test_set(ignoring);
  EXPECT_THAT(checkup.hints, Not(Contains(HasSubstr("EXIF"))));
  EXPECT_TRUE(checkup.good());
}

TEST(Doctor, DarkImagesAndMissingPartsOfASetAreNamed) {
  SyntheticSet set(2);
  set.info.published_images = 5;
  fs::remove(set.image(1));
  LabelMap few{8, 10, std::vector<int32_t>(80, 900)};  // a grey PNG of 16 bits
  write_label_png(set.folder / "images/p1.png", few);
  const Checkup checkup = examine_test_set(set.info);
  EXPECT_THAT(checkup.hints,
              Contains(AllOf(HasSubstr("1 images may look wrong"), HasSubstr("p1.png"))));
  EXPECT_THAT(checkup.hints, Contains(HasSubstr("only 2 of 5 images of the set")));
}

TEST(Doctor, ALimitReadsFewerPairsAndTheBriefFormNeverThrowsForBadOnes) {
  const SyntheticSet set(10);
  write_file(set.label(7), "no labels");
  EXPECT_TRUE(examine_test_set(set.info, {.limit = 1}).good());
  EXPECT_FALSE(examine_test_set(set.info).good());
  check_briefly(set.info, {"a", "b", "c", "d"});
}

TEST(Doctor, TrainingSetsAreReadSampleBySample) {
  const TempFolder folder;
  for (int i = 0; i < 4; ++i) make_sample(folder.path(), str("sa_", i), 40, 60, i);
  Config config;
  config.datasets.sam_root = folder.path().string();
  Checkup checkup = examine_training_set(config.datasets, "sam_resized");
  EXPECT_TRUE(checkup.good());
  EXPECT_THAT(checkup.verdict(), HasSubstr("sam_resized: good: 4 samples"));
  EXPECT_THAT(checkup.facts, Contains(HasSubstr("masks an image: 3 to 3")));
  write_file(folder / "annotations/sa_000000/sa_1.json", sa1b_json(40, 60, {}).dump());
  write_file(folder / "annotations/sa_000000/sa_2.json",
             sa1b_json(60, 40, {rectangle(60, 40, {0, 0, 9, 9})}).dump());
  checkup = examine_training_set(config.datasets, "sam_resized");
  EXPECT_THAT(checkup.problems,
              ElementsAre(AllOf(HasSubstr("1 samples cannot be used"), HasSubstr("sa_2.json"))));
  EXPECT_THAT(checkup.hints,
              ElementsAre(AllOf(HasSubstr("1 images have no masks"), HasSubstr("sa_1.jpg"))));
}

TEST(Doctor, AnnotationsThatAreLeftOutAloneAreCounted) {
  const TempFolder folder;
  for (int i = 0; i < 3; ++i) make_sample(folder.path(), str("sa_", i), 40, 60, i);
  auto odd = sa1b_json(40, 60, {rectangle(40, 60, {0, 0, 9, 9}), rectangle(40, 60, {0, 0, 5, 5})});
  odd["annotations"][0]["iscrowd"] = 1;
  odd["annotations"].push_back({{"id", 99}, {"segmentation", nullptr}});
  write_file(folder / "annotations/sa_000000/sa_1.json", odd.dump());
  Config config;
  config.datasets.sam_root = folder.path().string();
  config.datasets.crowd_regions = CrowdRegions::leave_out;
  const Checkup checkup = examine_training_set(config.datasets, "sam_resized");
  EXPECT_TRUE(checkup.good());
  EXPECT_THAT(checkup.hints,
              ElementsAre(AllOf(HasSubstr("1 annotations without a usable mask"),
                                HasSubstr("sa_1.json"), HasSubstr("annotation 2 (id 99)"))));
  EXPECT_THAT(checkup.facts, Contains(AllOf(HasSubstr("crowd regions left out: 1"),
                                            HasSubstr("DATASETS.CROWD_REGIONS"))));
}

TEST(Doctor, RealVocIsGood) {
  SKIP_WITHOUT_SHARED();
  const Catalog catalog(DatasetRoots{shared_folder() / "data/voc_mini", ""});
  const Checkup checkup = examine_test_set(catalog.find("voc_2012_test_sem_seg"));
  EXPECT_THAT(checkup.summary, HasSubstr("60 pairs, "));
  for (const auto& problem : checkup.problems) ADD_FAILURE() << problem;
}

}  // namespace
}  // namespace pixelclip
