#include "base/log.hpp"

#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <string_view>

#include "base/log_level.hpp"

namespace pixelclip::log {
namespace {

constexpr const char* kPattern = "[%m/%d %H:%M:%S] %^%l%$: %v";

struct LogState {
  std::mutex mutex;
  spdlog::logger logger{"pixelclip", std::make_shared<spdlog::sinks::stderr_color_sink_st>()};
  bool terminal = isatty(STDERR_FILENO) != 0;
  bool quiet = false;
  int rank = 0;
  std::string progress;

  LogState() {
    logger.set_pattern(kPattern);
    const char* named = std::getenv("PIXELCLIP_LOG");
    const std::string_view level = named ? named : "";
    if (level == "debug") logger.set_level(spdlog::level::debug);
    if (level == "warning") logger.set_level(spdlog::level::warn);
    logger.flush_on(spdlog::level::debug);
    logger.set_error_handler([](const std::string& reason) {  // for example a full disk
      static std::atomic<bool> reported{false};
      if (!reported.exchange(true))
        std::fprintf(stderr, "the log cannot be written everywhere: %s\n", reason.c_str());
    });
  }
};

LogState& state() {
  static LogState instance;
  return instance;
}

spdlog::level::level_enum to_spdlog(Level level) {
  switch (level) {
    case Level::debug:
      return spdlog::level::debug;
    case Level::info:
      return spdlog::level::info;
    case Level::warning:
      return spdlog::level::warn;
    case Level::error:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

void draw(const std::string& text) {
  std::fprintf(stderr, "\r\033[K%s", text.c_str());
  std::fflush(stderr);
}

}  // namespace

void write(Level level, const std::string& text) {
  LogState& s = state();
  std::lock_guard lock(s.mutex);
  if (s.rank != 0 && level < Level::warning) return;
  const bool live = s.terminal && !s.progress.empty();
  if (live) draw("");
  s.logger.log(to_spdlog(level), s.rank == 0 ? text : str("rank ", s.rank, ": ", text));
  if (live) draw(s.progress);
}

void add_file(const std::filesystem::path& path) {
  LogState& s = state();
  std::lock_guard lock(s.mutex);
  try {
    auto sink = std::make_shared<spdlog::sinks::basic_file_sink_st>(path.string());
    sink->set_pattern(kPattern);
    s.logger.sinks().push_back(std::move(sink));
  } catch (const spdlog::spdlog_ex& e) {
    fail(ErrorKind::unavailable, "cannot write the log file ", path.string(), ": ", e.what());
  }
}

void set_rank(int rank) {
  std::lock_guard lock(state().mutex);
  state().rank = rank;
}

void set_quiet(bool quiet) {
  LogState& s = state();
  std::lock_guard lock(s.mutex);
  s.logger.sinks().front()->set_level(quiet ? spdlog::level::warn : spdlog::level::trace);
  s.quiet = quiet;
}

void progress(const std::string& text) {
  LogState& s = state();
  std::lock_guard lock(s.mutex);
  if (!s.terminal || s.quiet || (text.empty() && s.progress.empty())) return;
  s.progress = text;
  draw(text);
}

}  // namespace pixelclip::log
