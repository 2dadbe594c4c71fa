#pragma once

#include <chrono>
#include <string>

namespace pixelclip {

/// Seconds since it was made, by a clock that never goes back.
class Stopwatch {
 public:
  double seconds() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }
  /// The seconds so far; it starts again at zero.
  double lap() {
    const auto now = Clock::now();
    const double seconds = std::chrono::duration<double>(now - start_).count();
    start_ = now;
    return seconds;
  }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point start_ = Clock::now();
};

/// Whole seconds as detectron2's log writes them: "0:01:05", "2 days, 3:04:05". Negative ones are
/// zero.
std::string format_duration(double seconds);

}  // namespace pixelclip
