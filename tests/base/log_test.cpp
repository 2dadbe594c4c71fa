#include "base/log.hpp"

#include <sys/wait.h>

#include <functional>

#include "base/file.hpp"
#include "support/support.hpp"

namespace pixelclip {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::TempFolder;

/// Runs `body` in a process of its own, since the log is one for a process, and returns what it
/// wrote to standard error.
std::string log_of(const std::function<void()>& body) {
  const TempFolder folder;
  const pid_t process = fork();
  if (process == 0) {
    if (!freopen((folder / "log").c_str(), "w", stderr)) _exit(99);
    body();
    _exit(0);
  }
  int status = 0;
  waitpid(process, &status, 0);
  EXPECT_EQ(status, 0);
  return read_text(folder / "log");
}

TEST(Log, WritesTheJoinedArgumentsWithTheirLevel) {
  const std::string text = log_of([] {
    log::info("step ", 3, " of ", 4.5);
    log::warn("careful");
    log::error("broken");
  });
  EXPECT_THAT(text, AllOf(HasSubstr("info: step 3 of 4.5\n"), HasSubstr("warning: careful\n"),
                          HasSubstr("error: broken\n")));
}

TEST(Log, OtherRanksPrintOnlyWarningsAndErrorsWithTheirRank) {
  const std::string text = log_of([] {
    log::set_rank(3);
    log::info("many say this");
    log::warn("careful");
  });
  EXPECT_THAT(text, AllOf(Not(HasSubstr("many say this")), HasSubstr("rank 3: careful")));
}

TEST(Log, AFileGetsTheLinesFromThenOn) {
  const TempFolder folder;
  log_of([&] {
    log::info("before");
    log::add_file(folder / "log.txt");
    log::info("after");
  });
  EXPECT_THAT(read_text(folder / "log.txt"),
              AllOf(Not(HasSubstr("before")), HasSubstr("info: after\n")));
}

TEST(Log, AFileThatCannotBeOpenedIsAnError) {
  const TempFolder folder;
  EXPECT_ERROR(log::add_file(folder.path()), HasSubstr("cannot write the log file"));
}

TEST(Log, TheLiveLineIsForTerminalsAlone) {
  EXPECT_EQ(log_of([] { log::progress("50 %"); }), "");
}

}  // namespace
}  // namespace pixelclip
