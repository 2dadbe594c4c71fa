#include "archives.hpp"
#include "base/file.hpp"
#include "io/zip_reader.hpp"

namespace pixelclip::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class Zip : public ::testing::Test {
 protected:
  MappedFile file(const std::string& bytes) {
    write_bytes(folder_ / "x.zip", bytes);
    return MappedFile(folder_ / "x.zip");
  }
  std::string text(const ZipReader& zip, const std::string& name) {
    const auto bytes = zip.bytes(*zip.find(name));
    return {bytes.begin(), bytes.end()};
  }
  void expect_refused(const std::string& bytes, const std::string& why) {
    EXPECT_ERROR(
        {
          ZipReader zip(file(bytes));
          zip.verify();
        },
        AllOf(HasSubstr("x.zip: "), HasSubstr(why)));
  }
  TempFolder folder_;
};

const std::string two = zip_of({{"first", "one"}, {"second", "twotwo"}});
// Where the directory begins in `two`: both records start at multiples of 64.
const size_t directory = 128 + 6;
const size_t end_record = two.size() - 22;

TEST_F(Zip, WhatIsWrittenIsReadAndStartsAtMultiplesOf64) {
  const ZipReader zip(file(two));
  ASSERT_EQ(zip.records().size(), 2u);
  EXPECT_EQ(text(zip, "first"), "one");
  EXPECT_EQ(text(zip, "second"), "twotwo");
  for (const auto& record : zip.records()) EXPECT_EQ(record.offset % 64, 0u) << record.name;
  zip.verify();
  EXPECT_EQ(zip.find("third"), nullptr);
}

TEST_F(Zip, TheZip64FormIsReadAsWell) {
  for (const uint64_t limit : {1, 3, 5, 100}) {
    const ZipReader zip(file(zip_of({{"first", "one"}, {"second", "twotwo"}, {"", ""}}, limit)));
    ASSERT_EQ(zip.records().size(), 3u) << limit;
    EXPECT_EQ(text(zip, "first"), "one") << limit;
    EXPECT_EQ(text(zip, "second"), "twotwo") << limit;
    zip.verify();
  }
}

TEST_F(Zip, EveryTruncationIsRefused) {
  for (size_t size = 0; size < two.size(); ++size) expect_refused(two.substr(0, size), "cut short");
}

TEST_F(Zip, ADamagedRecordIsNamed) {
  std::string bytes = two;
  bytes[130] ^= 1;
  expect_refused(bytes, "'second' is damaged");
}

TEST_F(Zip, AChecksumOfZeroStandsForNone) {
  std::string bytes = two;
  poke<uint32_t>(bytes, directory + 16, 0);
  ZipReader(file(bytes)).verify();
}

TEST_F(Zip, OverlappingRecordsAreRefused) {
  // The second entry is pointed at the first record, under the first one's name.
  std::string bytes = zip_of({{"a", "one"}, {"a", "one"}});
  const size_t second_entry = bytes.size() - 22 - 47;
  poke<uint32_t>(bytes, second_entry + 42, 0);
  expect_refused(bytes, "twice");
  bytes = zip_of({{"a", std::string(200, 'x')}, {"b", "one"}});
  poke<uint32_t>(bytes, bytes.size() - 22 - 2 * 47 + 20, 210);
  poke<uint32_t>(bytes, bytes.size() - 22 - 2 * 47 + 24, 210);
  expect_refused(bytes, "overlap");
}

TEST_F(Zip, HugeNumbersInTheDirectoryAreRefused) {
  for (const size_t field : {20, 24, 42}) {
    for (const uint32_t value : {0x7FFFFFFFu, 0xFFFFFFFEu, 0xFFFFFFFFu}) {
      std::string bytes = two;
      poke(bytes, directory + field, value);
      expect_refused(bytes, "corrupt");
    }
  }
  for (const size_t field : {8, 10, 12, 16}) {
    std::string bytes = two;
    poke<uint16_t>(bytes, end_record + field, 0xFFFE);
    expect_refused(bytes, "corrupt");
  }
}

TEST_F(Zip, CompressedRecordsAreRefusedWhenTheyAreUsed) {
  std::string bytes = two;
  poke<uint16_t>(bytes, directory + 10, 8);
  poke<uint16_t>(bytes, 8, 8);
  const ZipReader zip(file(bytes));
  EXPECT_ERROR(zip.bytes(*zip.find("first")), HasSubstr("is compressed"));
}

TEST_F(Zip, ALocalHeaderThatDiffersIsRefused) {
  std::string bytes = two;
  bytes[30] = 'F';
  expect_refused(bytes, "differs from its local header");
  bytes = two;
  poke<uint16_t>(bytes, 28, 0xFFFF);
  expect_refused(bytes, "'first' has no local header");
}

}  // namespace
}  // namespace pixelclip::testing
