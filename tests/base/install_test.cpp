#include "base/install.hpp"

#include <cstdlib>

#include "support/support.hpp"

namespace pixelclip {
namespace {

/// Sets or unsets a variable for as long as it lives.
class Variable {
 public:
  Variable(const char* name, const char* value) : name_(name) {
    if (const char* before = std::getenv(name)) before_ = before, was_set_ = true;
    value ? setenv(name, value, 1) : unsetenv(name);
  }
  ~Variable() { was_set_ ? setenv(name_, before_.c_str(), 1) : unsetenv(name_); }

 private:
  const char* name_;
  std::string before_;
  bool was_set_ = false;
};

TEST(HomeFolder, WithoutHomeTheListOfUsersIsAsked) {
  const Variable home("HOME", "/somewhere"), cache("XDG_CACHE_HOME", nullptr);
  EXPECT_EQ(home_folder(), "/somewhere");
  EXPECT_EQ(cache_folder(), "/somewhere/.cache");
  const Variable unset("HOME", nullptr);
  EXPECT_TRUE(home_folder().empty() || home_folder().is_absolute());
  EXPECT_TRUE(cache_folder().empty() || cache_folder().is_absolute())
      << "never a folder of the working folder";
  const Variable named("XDG_CACHE_HOME", "/elsewhere");
  EXPECT_EQ(cache_folder(), "/elsewhere");
}

}  // namespace
}  // namespace pixelclip
