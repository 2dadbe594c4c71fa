#pragma once

#include <exception>
#include <string>

namespace pixelclip {

/// How a worker failed. When several end at once, the launcher shows the one that explains most:
/// an error of its own before a broken collective before a stop because another failed. A worker
/// sends one line through the pipe that it inherits, the kind's letter first.
enum class FailureKind : char { own_error = 'A', collective = 'B', stopped = 'C' };

/// The environment variable with the number of the pipe.
inline constexpr const char* kPipeVariable = "PIXELCLIP_LAUNCHER";

/// Sends the failure to the launcher, if there is one.
void report_to_launcher(FailureKind kind, const std::string& reason) noexcept;

/// One line of an error's text: without torch's stack trace, and with NCCL's own last error.
std::string reason_of(const std::exception& error);

/// Whose fault an error in a collective is.
enum class CommFault {
  none,  ///< not of the communication: an error of this rank's work
  late,  ///< it did not finish within its time limit
  peer,  ///< the connection broke, since another rank died or the network failed
  own,   ///< NCCL or CUDA failed on this rank
};
/// LibTorch, Gloo and NCCL give the kind by the text alone.
CommFault fault_of(const std::exception& error);

}  // namespace pixelclip
