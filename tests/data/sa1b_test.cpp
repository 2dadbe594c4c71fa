#include "data/sa1b.hpp"

#include "data/synthetic_sa1b.hpp"
#include "io/torch_writer.hpp"

namespace pixelclip {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using namespace testing;

void touch(const fs::path& path) { write_file(path, ""); }

/// Names relative to the root.
std::vector<std::string> names(const Sa1bIndex& index, const fs::path& root, bool images = true) {
  std::vector<std::string> out;
  for (int64_t i = 0; i < index.size(); ++i) {
    out.push_back(fs::relative(images ? index[i].image : index[i].annotation, root).string());
  }
  return out;
}

Sa1bIndex open(const fs::path& root, bool with_annotations = true) {
  Sa1bIndex index(with_annotations);
  index.add(Sa1bIndex::layouts(root));
  return index;
}

TEST(Sa1bIndex, PairsByStemSortedAndLeavesOutTheRest) {
  const TempFolder root;
  for (const char* name :
       {"sa_000001/sa_5.jpg", "sa_000000/sa_2.jpg", "sa_000000/sa_1.JPEG", "sa_000000/alone.jpg",
        "sa_000000/readme.txt", "flat.png", "._flat.png", ".trash/sa_7.jpg", "@eaDir/sa_8.jpg"}) {
    touch(root / "images" / name);
  }
  for (const char* name :
       {"sa_000001/sa_5.json", "sa_000000/sa_2.json", "sa_000000/sa_1.json", "sa_000000/other.json",
        "flat.json", "._flat.json", ".trash/sa_7.json", "@eaDir/sa_8.json"}) {
    touch(root / "annotations" / name);
  }
  const Sa1bIndex index = open(root.path());
  EXPECT_THAT(names(index, root.path()),
              ElementsAre("images/flat.png", "images/sa_000000/sa_1.JPEG",
                          "images/sa_000000/sa_2.jpg", "images/sa_000001/sa_5.jpg"));
  EXPECT_THAT(names(index, root.path(), false),
              ElementsAre("annotations/flat.json", "annotations/sa_000000/sa_1.json",
                          "annotations/sa_000000/sa_2.json", "annotations/sa_000001/sa_5.json"));
  EXPECT_EQ(open(root.path(), false).size(), 5);
}

TEST(Sa1bIndex, PrefersTheResizedLayout) {
  const TempFolder root;
  for (const char* prefix : {"", "resized_"}) {
    touch(root / (std::string(prefix) + "images") / "sa_000000/sa_1.jpg");
    touch(root / (std::string(prefix) + "annotations") / "sa_000000/sa_1.json");
  }
  EXPECT_THAT(names(open(root.path()), root.path()),
              ElementsAre("resized_images/sa_000000/sa_1.jpg"));
}

TEST(Sa1bIndex, ReadsTheListOfAFolderInPlaceOfItsFiles) {
  const TempFolder root;
  for (const char* stem : {"sa_1", "sa_2", "sa_3"}) {
    touch(root / "resized_images/sa_000000" / (std::string(stem) + ".jpg"));
    touch(root / "resized_annotations/sa_000000" / (std::string(stem) + ".json"));
  }
  ValueList list;
  for (const char* stem : {"sa_3", "sa_1", "gone"}) {
    Dict entry;
    entry.set("img_name", std::string("/resized_images/sa_000000/") + stem + ".jpg");
    entry.set("ann_name", std::string("/resized_annotations/sa_000000/") + stem + ".json");
    list.push_back(entry);
  }
  const fs::path file = root / "resized_images/sa_000000/image_list.da";
  write_torch_file(file, list);
  const Sa1bIndex index = open(root.path());
  EXPECT_THAT(names(index, root.path()), ElementsAre("resized_images/sa_000000/sa_1.jpg",
                                                     "resized_images/sa_000000/sa_3.jpg"));
  Dict outside;
  outside.set("img_name", "/../../etc/passwd");
  outside.set("ann_name", "x.json");
  write_torch_file(file, ValueList{outside});
  EXPECT_ERROR(open(root.path()), AllOf(HasSubstr("image_list.da"), HasSubstr("passwd")));
  write_file(file, "no torch file");
  EXPECT_ERROR(open(root.path()), HasSubstr("image_list.da"));
}

TEST(Sa1bIndex, ReadsThePublicImplementationsLists) {
  SKIP_WITHOUT_SHARED();
  const fs::path root = shared_folder() / "golden/train_vit";
  EXPECT_EQ(open(root).size(), 4);
  EXPECT_EQ(open(shared_folder() / "data/sa1b_750").size(), 24);
}

TEST(Sa1bIndex, AMissingSetIsOneSentenceThatNamesTheFolders) {
  const TempFolder root;
  EXPECT_ERROR(open(root.path()),
               AllOf(HasSubstr((root / "resized_images").string()),
                     HasSubstr((root / "annotations").string()), HasSubstr("SAM_DATASETS")));
  touch(root / "images/sa_000000/sa_1.jpg");
  fs::create_directories(root / "annotations");
  EXPECT_ERROR(open(root.path()), AllOf(HasSubstr((root / "images").string()),
                                        HasSubstr("JSON file of the same name")));
}

TEST(Sa1bIndex, HoldsASampleInLessThan200Bytes) {
  const TempFolder root;
  const int count = 2000;
  for (int i = 0; i < count; ++i) {
    const std::string stem = "sa_" + std::to_string(11000000 + i);
    touch(root / "images/sa_000900" / (stem + ".jpg"));
    touch(root / "annotations/sa_000900" / (stem + ".json"));
  }
  EXPECT_LT(open(root.path()).memory(), 200u * count);
}

TEST(Sa1bIndex, CyclesOfLinksEnd) {
  const TempFolder root;
  touch(root / "images/sa_1.jpg");
  touch(root / "annotations/sa_1.json");
  fs::create_directory_symlink(root / "images", root / "images/again");
  fs::create_directory_symlink(root / "annotations", root / "annotations/again");
  EXPECT_EQ(open(root.path()).size(), 1);
}

}  // namespace
}  // namespace pixelclip
