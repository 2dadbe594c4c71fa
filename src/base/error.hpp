#pragma once

#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace pixelclip {

/// Bad input: a file, a key, a flag. The text is one sentence for the user that says where, what is
/// wrong, what was expected and what to try. Broken invariants use TORCH_CHECK or assert instead.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
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

/// The reason of the last failed system call, from errno.
std::string system_reason();

/// Of `known`, the word with the smallest edit distance to `word`, as " (did you mean X?)"; empty
/// when none is near.
std::string did_you_mean(const std::string& word, const std::vector<std::string>& known);

/// Text from a file made fit for a message: control characters and bytes that are not ASCII become
/// '?', and what is longer than 80 characters is cut.
std::string printable(std::string_view text);

}  // namespace pixelclip
