#include "cli/inputs.hpp"

#include "base/file.hpp"
#include "base/log.hpp"
#include "support/support.hpp"

namespace pixelclip::cli {
namespace {
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::TempFolder;

std::vector<std::string> names_of(const Inputs& inputs) {
  std::vector<std::string> names;
  for (const auto& item : inputs.items) names.push_back(item.name);
  return names;
}

TEST(FindInputs, TakesFilesFoldersAndPatterns) {
  const TempFolder folder;
  std::filesystem::create_directories(folder / "a/deep");
  for (const char* file :
       {"a/p10.jpg", "a/p2.PNG", "a/deep/p1.jpeg", "a/notes.txt", "b.jpg", "c.jpg", "film.mp4"}) {
    write_text(folder / file, "");
  }
  const std::string root = folder.path().string();
  EXPECT_THAT(names_of(find_inputs({root + "/a"}, true)), ElementsAre("deep/p1", "p2", "p10"));
  EXPECT_THAT(names_of(find_inputs({root + "/*.jpg", root + "/film.mp4"}, true)),
              ElementsAre("b", "c", "film"));
  EXPECT_TRUE(find_inputs({root + "/film.mp4"}, true).items[0].video);
  EXPECT_FALSE(find_inputs({root + "/film.mp4"}, false).items[0].video);
}

TEST(FindInputs, NamesThatBeginWithADotCountOnlyWhereTheyAreGiven) {
  const TempFolder folder;
  for (const char* file : {"a/p.jpg", "a/._p.jpg", "a/.cache/q.jpg", "a/@eaDir/p.jpg"}) {
    std::filesystem::create_directories((folder / file).parent_path());
    write_text(folder / file, "");
  }
  std::filesystem::create_directory_symlink(folder / "a", folder / "a/circle");
  const std::string root = folder.path().string();
  EXPECT_THAT(names_of(find_inputs({root + "/a"}, false)), ElementsAre("p"));
  EXPECT_THAT(names_of(find_inputs({root + "/a/*.jpg", root + "/a/@*"}, false)), ElementsAre("p"));
  EXPECT_THAT(names_of(find_inputs({root + "/a/._p.jpg", root + "/a/.cache"}, false)),
              ElementsAre("._p", "q"));
}

TEST(FindInputs, KeepsPicturesOfOneNameApart) {
  const TempFolder folder;
  std::filesystem::create_directories(folder / "a");
  std::filesystem::create_directories(folder / "b");
  for (const char* file : {"a/p.jpg", "b/p.jpg", "b/p.png"}) write_text(folder / file, "");
  EXPECT_THAT(names_of(find_inputs({(folder / "a").string(), (folder / "b").string()}, false)),
              ElementsAre("p", "p-2", "p-3"));
}

TEST(FindInputs, NamesPathsThatDoNotExist) {
  const TempFolder folder;
  const auto inputs = find_inputs(
      {(folder / "none.jpg").string(), folder.path().string(), (folder / "*.png").string()}, false);
  EXPECT_TRUE(inputs.items.empty());
  EXPECT_THAT(inputs.faults,
              ElementsAre(HasSubstr("none.jpg: no such image"),
                          HasSubstr("no images in this folder"), HasSubstr("matches no image")));
}

TEST(ReadNames, UnderstandsListsSynonymsFilesAndVocabularies) {
  const TempFolder folder;
  EXPECT_THAT(read_names("dog, grass,sky"), ElementsAre("dog", "grass", "sky"));
  EXPECT_THAT(read_names("dog,puppy; grass ; sky;"), ElementsAre("dog, puppy", "grass", "sky"));
  write_text(folder / "n.txt",
             "\xEF\xBB\xBF"
             "dog,puppy\r\n\n  grass \n");
  EXPECT_THAT(read_names((folder / "n.txt").string()), ElementsAre("dog, puppy", "grass"));
  write_text(folder / "n.json", "[\"dog, puppy\", \"grass\"]");
  EXPECT_THAT(read_names((folder / "n.json").string()), ElementsAre("dog, puppy", "grass"));
  EXPECT_EQ(read_names("ade150").size(), 150u);
  EXPECT_EQ(read_names("coco").size(), 171u);
  EXPECT_THAT(read_names("dog"), ElementsAre("dog"));
}

TEST(ReadNames, ACommaBehindABackslashBelongsToTheName) {
  const TempFolder folder;
  EXPECT_THAT(read_names("table\\, dining,sky"), ElementsAre("table\\, dining", "sky"));
  EXPECT_THAT(read_names("table\\, dining,desk;sky"), ElementsAre("table\\, dining, desk", "sky"));
  write_text(folder / "n.txt", "table\\, dining\nsky\n");
  EXPECT_THAT(read_names((folder / "n.txt").string()), ElementsAre("table\\, dining", "sky"));
}

TEST(ReadNames, LinesThatLookNumberedOrHoldColumnsAreWarnedOf) {
  const TempFolder folder;
  log::add_file(folder / "log.txt");
  write_text(folder / "n.txt", "1 dog\n2:\tcat\nred\tfox\n3d printer\n");
  EXPECT_EQ(read_names((folder / "n.txt").string()).size(), 4u);
  EXPECT_THAT(read_text(folder / "log.txt"),
              HasSubstr("3 of 4 lines begin with a number or hold a tab (line 1: 1 dog)"));
}

TEST(ReadNames, RefusesFilesThatHoldNone) {
  const TempFolder folder;
  write_text(folder / "n.txt", "\n \n");
  EXPECT_ERROR(read_names((folder / "n.txt").string()), HasSubstr("holds no class names"));
  EXPECT_ERROR(read_names((folder / "none.txt").string()), HasSubstr("none.txt"));
  write_text(folder / "u16.txt",
             "\xFF\xFE"
             "d");
  EXPECT_ERROR(read_names((folder / "u16.txt").string()),
               HasSubstr("u16.txt:1: byte 1 is not UTF-8"));
}

}  // namespace
}  // namespace pixelclip::cli
