#include "base/progress.hpp"

#include <algorithm>
#include <cmath>

#include "base/log.hpp"

namespace pixelclip {
namespace {

constexpr auto kPause = std::chrono::milliseconds(50);  // between two lines
constexpr double kTooEarly = 1;                         // seconds, for a rate that means something

std::string time_text(double seconds) {
  const auto whole = std::llround(seconds);
  if (whole < 60) return str(whole, " s");
  if (whole < 3600) return str(whole / 60, " min ", whole % 60, " s");
  return str(whole / 3600, " h ", whole / 60 % 60, " min");
}

}  // namespace

std::string progress_text(const std::string& what, const std::string& unit, int64_t done,
                          int64_t total, double seconds) {
  std::string text = str(what, ": ", done, " of ", total, " ", unit);
  if (seconds < kTooEarly || done == 0) return text;
  const double rate = static_cast<double>(done) / seconds;
  return str(text, ", ", std::round(rate * 10) / 10, " a second, ",
             time_text(static_cast<double>(total - done) / rate), " left");
}

Progress::Progress(std::string what, std::string unit, int64_t total)
    : what_(std::move(what)), unit_(std::move(unit)), total_(total) {}

Progress::~Progress() { log::progress(""); }

void Progress::add(int64_t count, const std::string& detail) {
  const int64_t done = done_ += count;
  const std::lock_guard lock(mutex_);
  const auto now = Clock::now();
  if (now - shown_ < kPause && done < total_) return;
  shown_ = now;
  const double seconds = std::chrono::duration<double>(now - start_).count();
  const std::string text = progress_text(what_, unit_, done, total_, seconds);
  log::progress(detail.empty() ? text : text + ": " + detail);
}

}  // namespace pixelclip
