#pragma once

#include <optional>
#include <string>

namespace pixelclip {

/// A device as keys and flags name it.
struct DeviceName {
  bool gpu = false;
  std::optional<int> index;  ///< of "cuda:N"
};

/// Reads "cpu", "cuda" or "cuda:N"; nothing for other texts.
std::optional<DeviceName> parse_device_name(const std::string& text);

}  // namespace pixelclip
