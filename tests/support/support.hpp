#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "base/error.hpp"

namespace pixelclip::testing {
namespace fs = std::filesystem;

/// A folder of golden numbers and sample data beside the checkout ($PIXELCLIP_SHARED, default
/// ../shared); empty when it is absent.
inline fs::path shared_folder() {
  const char* named = std::getenv("PIXELCLIP_SHARED");
  const fs::path folder = named ? fs::path(named) : fs::path(PIXELCLIP_SOURCE_DIR) / "../shared";
  return fs::exists(folder / "golden") ? folder : fs::path();
}

#define SKIP_WITHOUT_SHARED() \
  if (pixelclip::testing::shared_folder().empty()) GTEST_SKIP() << "no ../shared folder here"

/// A fresh folder, removed with everything in it at the end.
class TempFolder {
 public:
  TempFolder() {
    std::string name = (fs::temp_directory_path() / "pixelclip-test-XXXXXX").string();
    if (!mkdtemp(name.data())) throw std::runtime_error("cannot make a temporary folder");
    path_ = name;
  }
  ~TempFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  const fs::path& path() const { return path_; }
  fs::path operator/(const fs::path& name) const { return path_ / name; }

 private:
  fs::path path_;
};

/// Expects `statement` to throw pixelclip::Error whose text matches `matcher`.
#define EXPECT_ERROR(statement, matcher)                    \
  try {                                                     \
    statement;                                              \
    ADD_FAILURE() << "no error was thrown by: " #statement; \
  } catch (const pixelclip::Error& e) {                     \
    EXPECT_THAT(std::string(e.what()), matcher);            \
  }

}  // namespace pixelclip::testing
