#pragma once

#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pixelclip {

/// What went wrong, for programs; the text of an Error is for people.
enum class ErrorKind {
  invalid_input,  ///< a file, key, flag or request that cannot be used as it is
  not_found,      ///< a file, data set or id that does not exist
  too_large,      ///< more than a limit allows
  unavailable,    ///< the disk, a port, a device or a part left out of this build
};

/// Bad input: a file, a key, a flag. The text is one sentence for the user that says where, what is
/// wrong, what was expected and what to try. Broken invariants use TORCH_CHECK or assert instead.
class Error : public std::runtime_error {
 public:
  explicit Error(const std::string& text, ErrorKind kind = ErrorKind::invalid_input,
                 std::string file = {})
      : std::runtime_error(text), kind_(kind), file_(std::move(file)) {}

  ErrorKind kind() const { return kind_; }
  /// The file that the text names as the faulty one; empty when none is known.
  const std::string& file() const { return file_; }

 private:
  ErrorKind kind_;
  std::string file_;
};

/// Joins its arguments as `operator<<` prints them.
template <typename... Args>
std::string str(const Args&... args) {
  std::ostringstream out;
  (out << ... << args);
  return out.str();
}

/// Throws Error with the joined arguments.
template <typename... Args>
[[noreturn]] void fail(const Args&... args) {
  throw Error(pixelclip::str(args...));
}
template <typename... Args>
[[noreturn]] void fail(ErrorKind kind, const Args&... args) {
  throw Error(pixelclip::str(args...), kind);
}

/// Throws Error about `file`; the text is "file: " and the joined arguments.
template <typename... Args>
[[noreturn]] void fail_in(const std::string& file, const Args&... args) {
  throw Error(pixelclip::str(file, ": ", args...), ErrorKind::invalid_input, file);
}
template <typename... Args>
[[noreturn]] void fail_in(ErrorKind kind, const std::string& file, const Args&... args) {
  throw Error(pixelclip::str(file, ": ", args...), kind, file);
}

/// Runs `work`. Its errors get "where: " in front and keep their kind and file.
template <class Work>
decltype(auto) with_context(std::string_view where, Work&& work) {
  try {
    return std::forward<Work>(work)();
  } catch (const Error& e) {
    throw Error(pixelclip::str(where, ": ", e.what()), e.kind(), e.file());
  }
}

/// Why the last system call failed, from errno.
std::string system_reason();

/// The kind of error that errno of a failed call on a file means.
ErrorKind kind_of_system_error();

/// Of `known`, the word with the smallest edit distance to `word`, as " (did you mean X?)"; empty
/// when none is near.
std::string did_you_mean(const std::string& word, const std::vector<std::string>& known);

/// Makes text from a file fit for a message: control characters and bytes that are not ASCII become
/// '?', and the text is cut to 80 characters.
std::string printable(std::string_view text);

}  // namespace pixelclip
