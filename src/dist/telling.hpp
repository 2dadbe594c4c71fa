#pragma once

#include <string>

namespace pixelclip {

/// What a worker tells its launcher through the pipe it inherited: one line, the kind's letter
/// first. When several workers end at once, the launcher shows the most telling: its own error
/// before a broken collective before "stopped because another failed".
enum class Telling : char { own = 'A', collective = 'B', stopped = 'C' };

inline constexpr const char* kPipeVariable = "PIXELCLIP_LAUNCHER";

void tell_launcher(Telling kind, const std::string& reason) noexcept;

}  // namespace pixelclip
