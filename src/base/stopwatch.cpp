#include "base/stopwatch.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>

namespace pixelclip {

std::string format_duration(double seconds) {
  const auto total = static_cast<int64_t>(std::floor(std::max(0.0, seconds)));
  char text[64];
  std::snprintf(text, sizeof text, "%d:%02d:%02d", static_cast<int>(total / 3600 % 24),
                static_cast<int>(total / 60 % 60), static_cast<int>(total % 60));
  const int64_t days = total / 86400;
  if (days == 0) return text;
  return std::to_string(days) + (days == 1 ? " day, " : " days, ") + text;
}

}  // namespace pixelclip
