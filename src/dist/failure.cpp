#include "dist/failure.hpp"

#include <c10/util/Exception.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <initializer_list>

#include "base/error.hpp"

namespace pixelclip {
namespace {

std::string first_line(const std::string& text) {
  return text.substr(0, text.find_first_of("\n\r"));
}

std::string text_of(const std::exception& error) {
  const auto* torch_error = dynamic_cast<const c10::Error*>(&error);
  return torch_error ? torch_error->what_without_backtrace() : error.what();
}

bool contains_any(const std::string& text, std::initializer_list<const char*> parts) {
  return std::any_of(parts.begin(), parts.end(),
                     [&](const char* part) { return text.find(part) != std::string::npos; });
}

}  // namespace

void report_to_launcher(FailureKind kind, const std::string& reason) noexcept {
  const char* value = std::getenv(kPipeVariable);
  if (!value) return;
  // The exception that a broken collective throws is reported twice; it is no error of this rank.
  static std::atomic<bool> collective_reported{false};
  if (kind == FailureKind::collective) collective_reported = true;
  if (kind == FailureKind::own_error && collective_reported) return;
  std::string line(1, static_cast<char>(kind));
  // A pipe takes this much at once or not at all, so that lines of two threads do not mix.
  line += reason.substr(0, 4000);
  std::replace(line.begin(), line.end(), '\n', ' ');
  line += '\n';
  [[maybe_unused]] const ssize_t written = write(std::atoi(value), line.data(), line.size());
}

std::string reason_of(const std::exception& error) {
  const std::string text = text_of(error), label = "Last error:";
  std::string reason = first_line(text);
  const size_t at = text.find(label);
  if (at == std::string::npos) return reason;
  const size_t begin = text.find_first_not_of(" \n\r", at + label.size());
  if (begin == std::string::npos) return reason;
  return str(reason, "; NCCL's last error: ", first_line(text.substr(begin)));
}

CommFault fault_of(const std::exception& error) {
  if (dynamic_cast<const c10::OutOfMemoryError*>(&error)) return CommFault::none;
  const std::string text = text_of(error);
  const bool nccl = contains_any(text, {"NCCL", "nccl"});
  const bool known = nccl || dynamic_cast<const c10::DistError*>(&error) ||
                     contains_any(text, {"gloo", "Gloo", "Connection closed"});
  if (!known) return CommFault::none;
  if (contains_any(text, {"Timed out", "timed out"})) return CommFault::late;
  const bool own =
      nccl && contains_any(text, {"unhandled cuda error", "UnhandledCudaError", "internal error",
                                  "InternalError", "invalid usage", "InvalidUsage",
                                  "invalid argument", "InvalidArgument"});
  return own ? CommFault::own : CommFault::peer;
}

}  // namespace pixelclip
