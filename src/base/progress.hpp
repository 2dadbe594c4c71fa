#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>

namespace pixelclip {

/// A loop on the live line of the log: "WHAT: 12 of 40 images, 3 a second, 9 s left". The line goes
/// with the object. Members may be called by several threads at once.
class Progress {
 public:
  /// `unit` names what is counted, in the plural.
  Progress(std::string what, std::string unit, int64_t total);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// `count` more are done; `detail` stands at the end of the line.
  void add(int64_t count = 1, const std::string& detail = "");

 private:
  using Clock = std::chrono::steady_clock;

  const std::string what_, unit_;
  const int64_t total_;
  const Clock::time_point start_ = Clock::now();
  std::atomic<int64_t> done_{0};
  std::mutex mutex_;
  Clock::time_point shown_{};
};

/// That line's text. `seconds` have passed.
std::string progress_text(const std::string& what, const std::string& unit, int64_t done,
                          int64_t total, double seconds);

}  // namespace pixelclip
