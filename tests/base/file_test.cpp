#include "base/file.hpp"

#include <sys/stat.h>

#include "support/support.hpp"

namespace pixelclip {
namespace {

TEST(MappedFile, WhatIsNoRegularFileIsRefusedAtOnce) {
  const testing::TempFolder folder;
  ASSERT_EQ(mkfifo((folder / "pipe.json").c_str(), 0600), 0);
  EXPECT_ERROR(MappedFile(folder / "pipe.json"),
               ::testing::HasSubstr("pipe.json: it is not a regular file"));
  EXPECT_ERROR(MappedFile(folder.path()), ::testing::HasSubstr("not a regular file"));
  EXPECT_ERROR(MappedFile(folder / "none"), ::testing::HasSubstr("none"));
}

}  // namespace
}  // namespace pixelclip
