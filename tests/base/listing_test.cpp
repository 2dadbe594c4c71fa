#include "base/listing.hpp"

#include <unistd.h>

#include <fstream>

#include "support/support.hpp"

namespace pixelclip {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using namespace testing;

void touch_file(const fs::path& path) {
  fs::create_directories(path.parent_path());
  std::ofstream(path) << "x";
}

std::vector<std::string> names_below(const fs::path& folder) {
  std::vector<std::string> names;
  for (const fs::path& file : list_files_below(folder).files)
    names.push_back(fs::relative(file, folder).string());
  return names;
}

TEST(Listing, NamesThatBeginWithADotAndWhatServersAddAreNoData) {
  for (const char* name :
       {".DS_Store", "._x.jpg", ".ipynb_checkpoints", ".x.jpg", "@eaDir", "__MACOSX", "#recycle"}) {
    EXPECT_TRUE(is_hidden(name)) << name;
    EXPECT_TRUE(has_hidden_part(str("a/", name, "/b.jpg"))) << name;
    EXPECT_TRUE(has_hidden_part(name)) << name;
  }
  for (const char* name : {"x.jpg", "x..jpg", "x.", "@x", "_x"})
    EXPECT_FALSE(is_hidden(name)) << name;
  for (const char* path : {"./a/b.jpg", "../a/b.jpg", "a//b.jpg", "/a/b.jpg", "a/", ""}) {
    EXPECT_FALSE(has_hidden_part(path)) << path;
  }
}

TEST(Listing, FilesAreSortedAndHiddenOnesLeftOut) {
  const TempFolder folder;
  for (const char* name :
       {"b/2.jpg", "b/1.jpg", "a.jpg", "._a.jpg", ".git/config.jpg", "@eaDir/a.jpg/thumb.jpg"}) {
    touch_file(folder / name);
  }
  EXPECT_THAT(names_below(folder.path()), ElementsAre("a.jpg", "b/1.jpg", "b/2.jpg"));
  touch_file(folder / ".hidden/x.jpg");
  EXPECT_THAT(names_below(folder / ".hidden"), ElementsAre("x.jpg"));  // the user named it
  EXPECT_ERROR(list_files_below(folder / "none"), HasSubstr("none"));
}

TEST(Listing, LinksAreFollowedButNotCycles) {
  const TempFolder folder, other;
  touch_file(folder / "a/1.jpg");
  touch_file(other / "2.jpg");
  fs::create_directory_symlink(other.path(), folder / "linked");
  fs::create_directory_symlink(folder.path(), folder / "a/again");
  fs::create_directory_symlink(folder.path(), other / "back");
  fs::create_symlink("nowhere", folder / "broken.jpg");
  std::vector<std::string> names;
  for (const auto& file : list_files_below(folder.path()).files)
    names.push_back(file.lexically_relative(folder.path()).string());
  EXPECT_THAT(names, ElementsAre("a/1.jpg", "linked/2.jpg"));
}

TEST(Listing, AnUnreadableFolderLosesOnlyItsOwnFiles) {
  if (geteuid() == 0) GTEST_SKIP() << "root may read everything";
  const TempFolder folder;
  touch_file(folder / "a/1.jpg");
  touch_file(folder / "b/2.jpg");
  fs::permissions(folder / "a", fs::perms::none);
  const FileList list = list_files_below(folder.path());
  fs::permissions(folder / "a", fs::perms::owner_all);
  EXPECT_THAT(list.files, ElementsAre(folder / "b/2.jpg"));
  EXPECT_THAT(list.faults, ElementsAre(HasSubstr("a")));
}

TEST(Listing, AnyFileBelowStopsAtTheFirst) {
  const TempFolder folder;
  for (const char* name : {"1.png", "2.png", "3.png", "._4.png"}) touch_file(folder / name);
  int seen = 0;
  EXPECT_TRUE(any_file_below(folder.path(), [&](const auto&) { return ++seen == 2; }));
  EXPECT_EQ(seen, 2);
  EXPECT_FALSE(
      any_file_below(folder.path(), [](const auto& file) { return file.filename() == "._4.png"; }));
  EXPECT_FALSE(any_file_below(folder / "none", [](const auto&) { return true; }));
}

}  // namespace
}  // namespace pixelclip
