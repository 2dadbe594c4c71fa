#include "base/error.hpp"

#include <cerrno>

#include "base/file.hpp"
#include "support/support.hpp"

namespace pixelclip {
namespace {

using testing::TempFolder;

template <class Work>
Error error_of(const Work& work) {
  try {
    work();
  } catch (const Error& e) {
    return e;
  }
  ADD_FAILURE() << "no error was thrown";
  return Error("");
}

TEST(Error, IsInvalidInputUnlessItSaysOtherwise) {
  const Error plain = error_of([] { fail("a key is ", 3); });
  EXPECT_STREQ(plain.what(), "a key is 3");
  EXPECT_EQ(plain.kind(), ErrorKind::invalid_input);
  EXPECT_EQ(plain.file(), "");
  const Error large = error_of([] { fail(ErrorKind::too_large, "more than ", 5); });
  EXPECT_STREQ(large.what(), "more than 5");
  EXPECT_EQ(large.kind(), ErrorKind::too_large);
}

TEST(Error, KnowsTheFileThatItsTextBeginsWith) {
  const Error error = error_of([] { fail_in("a.jpg", "cut short at ", 7); });
  EXPECT_STREQ(error.what(), "a.jpg: cut short at 7");
  EXPECT_EQ(error.file(), "a.jpg");
  EXPECT_EQ(error_of([] { fail_in(ErrorKind::too_large, "a.jpg", "x"); }).kind(),
            ErrorKind::too_large);
}

TEST(Error, ContextGoesInFrontAndKindAndFileStay) {
  const Error error = error_of([] {
    with_context("set voc", [] { fail_in(ErrorKind::not_found, "a.png", "no such file"); });
  });
  EXPECT_STREQ(error.what(), "set voc: a.png: no such file");
  EXPECT_EQ(error.kind(), ErrorKind::not_found);
  EXPECT_EQ(error.file(), "a.png");
  EXPECT_EQ(with_context("unused", [] { return 5; }), 5);
}

TEST(Error, AMissingFileIsNotFoundAndAFolderIsInvalid) {
  const TempFolder folder;
  const std::string missing = (folder / "none.json").string();
  const Error error = error_of([&] { MappedFile file(missing); });
  EXPECT_EQ(error.kind(), ErrorKind::not_found);
  EXPECT_EQ(error.file(), missing);
  const Error no_file = error_of([&] { MappedFile file(folder.path()); });
  EXPECT_EQ(no_file.kind(), ErrorKind::invalid_input);
  EXPECT_EQ(no_file.file(), folder.path().string());
}

TEST(Error, WhatCannotBeWrittenIsUnavailable) {
  const TempFolder folder;
  write_text(folder / "file", "");
  EXPECT_EQ(error_of([&] { make_writable_folder(folder / "file" / "below"); }).kind(),
            ErrorKind::unavailable);
}

TEST(DidYouMean, NamesTheNearestWordAndNothingFarAway) {
  EXPECT_EQ(did_you_mean("BASE_LRR", {"MAX_ITER", "BASE_LR"}), " (did you mean BASE_LR?)");
  EXPECT_EQ(did_you_mean("zebra", {"MAX_ITER", "BASE_LR"}), "");
  EXPECT_EQ(did_you_mean("zebra", {}), "");
}

TEST(Printable, ReplacesControlCharactersAndCutsLongTexts) {
  EXPECT_EQ(printable("a\x1b[31m\n\xff"), "a?[31m??");
  EXPECT_EQ(printable(std::string(80, 'x')), std::string(80, 'x'));
  EXPECT_EQ(printable(std::string(81, 'x')), std::string(80, 'x') + "...");
}

}  // namespace
}  // namespace pixelclip
