#include "base/text.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "base/scope_exit.hpp"
#include "base/stopwatch.hpp"

namespace pixelclip {
namespace {

TEST(Text, TrimmingKeepsSpacesInside) {
  EXPECT_EQ(trimmed(" \t a b \r\n"), "a b");
  EXPECT_EQ(trimmed(" \n"), "");
  EXPECT_EQ(trimmed(""), "");
}

TEST(Text, OnlyAsciiLettersAreLowered) { EXPECT_EQ(lower_ascii("AzZ-\xC3\x84"), "azz-\xC3\x84"); }

// RFC 4648, section 10, and the two digits that are no letters.
TEST(Text, Base64IsThatOfTheStandard) {
  const auto encoded = [](const std::string& text) {
    return base64(std::vector<uint8_t>(text.begin(), text.end()));
  };
  EXPECT_EQ(encoded(""), "");
  EXPECT_EQ(encoded("f"), "Zg==");
  EXPECT_EQ(encoded("fo"), "Zm8=");
  EXPECT_EQ(encoded("foo"), "Zm9v");
  EXPECT_EQ(encoded("foob"), "Zm9vYg==");
  EXPECT_EQ(encoded("fooba"), "Zm9vYmE=");
  EXPECT_EQ(encoded("foobar"), "Zm9vYmFy");
  EXPECT_EQ(encoded("\xff\xef\xbe"), "/+++");
}

TEST(Duration, IsWrittenAsDetectron2Does) {
  EXPECT_EQ(format_duration(0), "0:00:00");
  EXPECT_EQ(format_duration(65.9), "0:01:05");
  EXPECT_EQ(format_duration(36000), "10:00:00");
  EXPECT_EQ(format_duration(86400), "1 day, 0:00:00");
  EXPECT_EQ(format_duration(2 * 86400 + 3 * 3600 + 4 * 60 + 5), "2 days, 3:04:05");
  EXPECT_EQ(format_duration(-5), "0:00:00");
}

TEST(ScopeExit, RunsOnceAtTheEndAlsoAfterAnException) {
  int runs = 0;
  {
    const ScopeExit count([&] { ++runs; });
    EXPECT_EQ(runs, 0);
  }
  EXPECT_EQ(runs, 1);
  try {
    const ScopeExit count([&] { ++runs; });
    throw 1;
  } catch (int) {
  }
  EXPECT_EQ(runs, 2);
}

}  // namespace
}  // namespace pixelclip
