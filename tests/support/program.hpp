#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cctype>
#include <chrono>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace pixelclip::testing {

inline double seconds_now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// Looks at `condition` until it holds, `seconds` at most; returns whether it does.
inline bool wait_until(double seconds, const std::function<bool()>& condition) {
  for (const double end = seconds_now() + seconds; seconds_now() < end;) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return condition();
}

/// What a program that has ended left behind.
struct Outcome {
  int status = -1;     // exit status, or 128 + the signal's number
  std::string output;  // standard output and error together
};

/// A program, this test program if none is named, started with `arguments` in a process group of
/// its own.
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
  /// Waits until `text` stands in the output `times` times, a minute at most.
  bool says(const std::string& text, int times = 1) const;
  /// Waits for its end. After two minutes it is killed, and the test fails.
  Outcome wait();

 private:
  pid_t process_ = -1;
  std::string output_path_;
};

inline Program::Program(const std::vector<std::string>& arguments,
                        const std::map<std::string, std::string>& environment,
                        const std::string& program) {
  output_path_ = "/tmp/pixelclip-dist-XXXXXX";
  const int output = mkstemp(output_path_.data());
  std::vector<std::string> texts = {program};
  texts.insert(texts.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (auto& text : texts) argv.push_back(text.data());
  argv.push_back(nullptr);
  process_ = fork();
  if (process_ != 0) {
    ::close(output);
    return;
  }
  setpgid(0, 0);
  dup2(output, STDOUT_FILENO);
  dup2(output, STDERR_FILENO);
  setenv("OMP_NUM_THREADS", "1", 1);
  for (const auto& [name, value] : environment) setenv(name.c_str(), value.c_str(), 1);
  execv(program.c_str(), argv.data());
  _exit(127);
}

inline Program::~Program() {
  if (process_ > 0) wait();
  unlink(output_path_.c_str());
}

inline std::string Program::output() const {
  std::ifstream in(output_path_);
  return {std::istreambuf_iterator<char>(in), {}};
}

inline bool Program::says(const std::string& text, int times) const {
  return wait_until(60, [&] {
    const std::string all = output();
    int found = 0;
    for (size_t at = all.find(text); at != std::string::npos; at = all.find(text, at + 1)) ++found;
    return found >= times;
  });
}

inline Outcome Program::wait() {
  int status = 0;
  if (!wait_until(120, [&] { return waitpid(process_, &status, WNOHANG) == process_; })) {
    ADD_FAILURE() << "a program that should have ended is killed after two minutes:\n" << output();
    kill(process_, SIGKILL);
    waitpid(process_, &status, 0);
  }
  process_ = -1;
  return {WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status), output()};
}

/// The process ids that the workers of `output` wrote as "process N".
inline std::vector<pid_t> workers_in(const std::string& output) {
  std::vector<pid_t> processes;
  std::istringstream in(output);
  for (std::string word; in >> word;) {
    if (word == "process" && in >> word && std::isdigit(static_cast<unsigned char>(word[0])))
      processes.push_back(std::stoi(word));
  }
  return processes;
}

/// Waits until none of them exists, 3 s at most.
inline bool all_gone(const std::vector<pid_t>& processes) {
  return wait_until(3, [&] {
    for (const pid_t process : processes) {
      if (kill(process, 0) == 0) return false;
    }
    return true;
  });
}

/// A port that nothing listens on.
inline int free_port() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  socklen_t size = sizeof(address);
  bind(fd, reinterpret_cast<sockaddr*>(&address), size);
  getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  ::close(fd);
  return ntohs(address.sin_port);
}

}  // namespace pixelclip::testing
