#include "base/signal.hpp"

#include <signal.h>
#include <sys/wait.h>

#include <chrono>
#include <functional>
#include <thread>

#include "base/file.hpp"
#include "support/support.hpp"

namespace pixelclip {
namespace {

using ::testing::HasSubstr;
using testing::TempFolder;

/// What a process of its own that runs `body` leaves behind.
struct Ended {
  int status = -1;  // exit status, or 128 + the signal's number
  std::string log;
};

Ended run_apart(const std::function<void()>& body, const TempFolder& folder = {}) {
  const pid_t process = fork();
  if (process == 0) {
    if (!freopen((folder / "log").c_str(), "w", stderr)) _exit(99);
    body();
    _exit(98);  // it should have ended before
  }
  int status = 0;
  waitpid(process, &status, 0);
  return {WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status),
          read_text(folder / "log")};
}

void hang() { std::this_thread::sleep_for(std::chrono::seconds(60)); }

TEST(Signals, WorkThatIgnoresSignalsIsEndedWithItsDescription) {
  for (const auto& [number, name] : {std::pair(SIGTERM, "SIGTERM"), {SIGHUP, "SIGHUP"}}) {
    const Ended ended = run_apart([number = number] {
      signals::end_when_late();
      const signals::Doing outer("preparing");
      const signals::Doing inner("waiting for the moon");
      raise(number);
      hang();
    });
    EXPECT_EQ(ended.status, 128 + number);
    EXPECT_THAT(ended.log, HasSubstr(str("stopped by ", name, " while waiting for the moon")));
  }
}

TEST(Signals, WorkThatChecksSignalsEndsByItself) {
  const Ended ended = run_apart([] {
    signals::end_when_late();
    raise(SIGTERM);
    _exit(signals::exit_status(1));
  });
  EXPECT_EQ(ended.status, 128 + SIGTERM);
  EXPECT_EQ(ended.log, "");
}

TEST(Signals, WhatHasSomethingToSaveTakesItsTimeAndIsNoFailure) {
  const TempFolder folder;
  const std::string first = "the file is written first";
  const auto body = [&] {
    signals::end_when_late();
    {
      const signals::Patience patience(first);
      raise(SIGTERM);
      while (read_text(folder / "log").find(first) == std::string::npos) std::this_thread::yield();
      // Longer than the time that other work gets; any longer makes no difference.
      std::this_thread::sleep_for(std::chrono::milliseconds(1100));
      signals::saved();
    }
    const signals::Doing drawing("drawing");
    hang();
  };
  const Ended ended = run_apart(body, folder);
  EXPECT_EQ(ended.status, 0);
  EXPECT_THAT(ended.log, HasSubstr("SIGTERM: the file is written first"));
  EXPECT_THAT(ended.log, HasSubstr("stopped by SIGTERM while drawing"));
}

TEST(Signals, ASecondCtrlCEndsTheProcessAtOnce) {
  const Ended ended = run_apart([] {
    signals::end_when_late();
    const signals::Patience patience("");
    raise(SIGINT);
    raise(SIGINT);
    hang();
  });
  EXPECT_EQ(ended.status, 128 + SIGINT);
}

TEST(Signals, AHangingHookDoesNotBlockTheProcess) {
  const Ended ended = run_apart([] {
    signals::end_when_late();
    signals::before_end([](const std::string&) { hang(); });
    raise(SIGTERM);
    hang();
  });
  EXPECT_EQ(ended.status, 128 + SIGTERM);
}

TEST(Signals, AHalfWrittenFileIsRemoved) {
  const TempFolder folder;
  const Ended ended = run_apart([&] {
    signals::end_when_late();
    write_atomically(folder / "model.pth", [](std::ostream& out) {
      out << "half" << std::flush;
      raise(SIGTERM);
      hang();
    });
  });
  EXPECT_EQ(ended.status, 128 + SIGTERM);
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(Signals, EachOneIsTakenOnce) {
  const Ended ended = run_apart([] {
    signals::install();
    raise(SIGTERM);
    raise(SIGUSR1);
    raise(SIGTERM);
    int term = 0, usr1 = 0;
    while (const int number = signals::take()) (number == SIGTERM ? term : usr1) += 1;
    _exit(10 * term + usr1);
  });
  EXPECT_EQ(ended.status, 21);
}

}  // namespace
}  // namespace pixelclip
