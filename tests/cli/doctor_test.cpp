#include <nlohmann/json.hpp>

#include "cli/commands.hpp"
#include "command.hpp"

namespace pixelclip::cli {
namespace {
using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::run_command;

TEST(Doctor, ExaminesTheInstallationOnOneScreen) {
  const auto outcome = run_command(add_doctor, {"doctor"});
  EXPECT_THAT(outcome.out, AllOf(HasSubstr("LibTorch:"), HasSubstr("GPU:"), HasSubstr("NCCL"),
                                 HasSubstr("libraries:"), HasSubstr("opencv_core 4."),
                                 HasSubstr("folders:"), HasSubstr("byte pairs good")));
  EXPECT_LE(std::count(outcome.out.begin(), outcome.out.end(), '\n'), 24);
}

TEST(Doctor, NamesWhatIsMissingAndWhatToDo) {
  setenv("PIXELCLIP_WEIGHTS", "/nonexistent", 1);
  setenv("XDG_CACHE_HOME", "/proc/nonexistent/cache", 1);
  const auto outcome = run_command(add_doctor, {"doctor", "--json"});
  unsetenv("PIXELCLIP_WEIGHTS"), unsetenv("XDG_CACHE_HOME");
  const auto told = nlohmann::json::parse(outcome.out);
  EXPECT_EQ(told.at("set"), "installation");
  EXPECT_THAT(told.at("facts").dump(), HasSubstr("PIXELCLIP_WEIGHTS=/nonexistent"));
  EXPECT_THAT(told.at("hints").dump(), HasSubstr("/proc/nonexistent/cache is not writable"));
}

}  // namespace
}  // namespace pixelclip::cli
