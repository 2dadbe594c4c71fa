#include "dist/worker.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>

#include "base/error.hpp"
#include "dist/failure.hpp"

extern char** environ;

namespace pixelclip {
namespace {

std::vector<std::string> environment_with(const std::map<std::string, std::string>& changes) {
  std::vector<std::string> entries;
  for (char** entry = environ; *entry; ++entry) {
    const std::string text = *entry;
    if (!changes.contains(text.substr(0, text.find('=')))) entries.push_back(text);
  }
  for (const auto& [name, value] : changes) entries.push_back(str(name, "=", value));
  return entries;
}

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (auto& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

/// The worker does not inherit this process's handlers: until it has its own, a signal ends it.
void forget_handlers() {
  for (const int number : {SIGINT, SIGTERM, SIGUSR1, SIGHUP}) {
    struct sigaction now {};
    sigaction(number, nullptr, &now);
    if (now.sa_handler != SIG_IGN) signal(number, SIG_DFL);
  }
}

/// Between fork and exec of a process with threads only simple system calls are allowed. No signal
/// comes until `mask` is set.
[[noreturn]] void become(pid_t parent, int pipe, const sigset_t& mask, char** argv, char** envp) {
  // The kernel ends the worker with its launcher. Ctrl-C in a terminal reaches the launcher alone.
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(1);
  setpgid(0, 0);
  fcntl(pipe, F_SETFD, 0);
  forget_handlers();
  sigprocmask(SIG_SETMASK, &mask, nullptr);
  execve("/proc/self/exe", argv, envp);
  _exit(127);
}

}  // namespace

Worker Worker::start(int rank, std::vector<std::string> argv,
                     const std::function<std::map<std::string, std::string>(int)>& variables) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) fail("cannot create a pipe to a worker: ", system_reason());
  fcntl(ends[0], F_SETFL, O_NONBLOCK);
  auto environment = environment_with(variables(ends[1]));
  auto arguments = pointers_to(argv);
  auto entries = pointers_to(environment);
  const pid_t parent = getpid();
  sigset_t all, mask;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &mask);
  const pid_t process = fork();
  if (process == 0) become(parent, ends[1], mask, arguments.data(), entries.data());
  const std::string reason = system_reason();
  pthread_sigmask(SIG_SETMASK, &mask, nullptr);
  close(ends[1]);
  if (process < 0) {
    close(ends[0]);
    fail("cannot start the worker of rank ", rank, ": ", reason);
  }
  Worker worker;
  worker.rank = rank;
  worker.process = process;
  worker.pipe = ends[0];
  return worker;
}

bool Worker::collect() {
  if (status) return false;
  int now = 0;
  const bool ended = waitpid(process, &now, WNOHANG) == process;
  char buffer[4096];
  for (ssize_t n; (n = read(pipe, buffer, sizeof(buffer))) > 0;) report.append(buffer, n);
  if (!ended) return false;
  status = now;
  close(pipe);
  return true;
}

std::string Worker::last_line() const {
  const size_t end = report.rfind('\n');
  if (end == std::string::npos) return "";
  const size_t before = end == 0 ? std::string::npos : report.rfind('\n', end - 1);
  return report.substr(before + 1, end - before - 1);
}

char Worker::blame_order() const {
  const std::string line = last_line();
  if (!line.empty()) return line[0];
  return failed_first ? static_cast<char>(FailureKind::own_error) : '\x7f';
}

std::string Worker::describe() const {
  const std::string line = last_line();
  if (!line.empty()) {
    const bool followed = line[0] == static_cast<char>(FailureKind::stopped);
    return str("rank ", rank, followed ? " " : " failed: ", line.substr(1));
  }
  if (!status || !WIFSIGNALED(*status)) {
    return str("rank ", rank, " ended with exit status ", exit_status());
  }
  const int number = WTERMSIG(*status);
  return str("rank ", rank, " was killed by signal ", number, " (", strsignal(number), ")",
             number == SIGKILL ? ", perhaps because the machine ran out of memory" : "");
}

int Worker::exit_status() const {
  if (!status || *status == 0) return 1;
  return WIFSIGNALED(*status) ? 128 + WTERMSIG(*status) : WEXITSTATUS(*status);
}

}  // namespace pixelclip
