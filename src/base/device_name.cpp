#include "base/device_name.hpp"

namespace pixelclip {

std::optional<DeviceName> parse_device_name(const std::string& text) {
  if (text == "cpu") return DeviceName{};
  if (text == "cuda") return DeviceName{.gpu = true, .index = std::nullopt};
  const std::string prefix = "cuda:";
  if (!text.starts_with(prefix)) return std::nullopt;
  const std::string digits = text.substr(prefix.size());
  const bool plain = !digits.empty() && digits.size() < 4 &&
                     digits.find_first_not_of("0123456789") == std::string::npos;
  if (!plain) return std::nullopt;
  return DeviceName{.gpu = true, .index = std::stoi(digits)};
}

}  // namespace pixelclip
