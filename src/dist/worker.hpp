#pragma once

#include <sys/types.h>

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace pixelclip {

/// One process that the launcher has started.
struct Worker {
  int rank = 0;
  pid_t process = -1;
  int pipe = -1;
  std::string report;         // lines, of which the last counts
  std::optional<int> status;  // as waitpid gives it
  bool failed_first = false;

  /// Starts this program again with `argv` and the environment changed by `variables(pipe)`. It
  /// dies with this process. Errors: the system refuses.
  static Worker start(int rank, std::vector<std::string> argv,
                      const std::function<std::map<std::string, std::string>(int)>& variables);

  /// Reads its report; true when it has just ended.
  bool collect();
  /// Orders failed workers: the root cause of the failure is the least. An error of its own and a
  /// death without a report come before consequences of another's failure.
  char blame_order() const;
  /// Why it failed, with its rank.
  std::string describe() const;
  /// For the launcher: never 0.
  int exit_status() const;

 private:
  std::string last_line() const;
};

}  // namespace pixelclip
