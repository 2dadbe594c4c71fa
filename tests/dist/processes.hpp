#pragma once

#include <sys/types.h>

#include <map>
#include <string>
#include <vector>

namespace pixelclip::testing {

/// What a program that has ended left behind.
struct Outcome {
  int status = -1;  // exit status, or 128 + the signal's number
  double seconds = 0;
  std::string output;  // standard output and error together
};

/// This test program, started again with `arguments`, in a process group of its own.
class Program {
 public:
  explicit Program(const std::vector<std::string>& arguments,
                   const std::map<std::string, std::string>& environment = {},
                   const std::string& program = "/proc/self/exe");
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  pid_t process() const { return process_; }
  std::string output() const;
  /// Waits until `text` stands in the output `times` times, 20 s at most.
  bool says(const std::string& text, int times = 1) const;
  /// Waits for its end, 30 s at most, after which it is killed.
  Outcome wait();

 private:
  pid_t process_ = -1;
  double begun_ = 0;
  std::string output_path_;
};

/// The process ids that the workers of `output` wrote as "process N".
std::vector<pid_t> workers_in(const std::string& output);
/// Waits until none of them exists, 3 s at most.
bool all_gone(const std::vector<pid_t>& processes);

/// A port that nothing listens on.
int free_port();

/// The work of one worker, by name; what the tests' launchers start. Returns its exit status.
int run_scenario(const std::vector<std::string>& arguments);
/// Launches "processes machines machine_rank url scenario ...".
int run_launcher(const std::vector<std::string>& arguments);

}  // namespace pixelclip::testing
