#include "dist/processes.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <iterator>
#include <sstream>
#include <thread>

#include "pixelclip/base/error.hpp"
#include "pixelclip/base/log.hpp"
#include "pixelclip/dist/launch.hpp"

namespace pixelclip::testing {
namespace {

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

bool until(double seconds, const std::function<bool()>& condition) {
  for (const double end = now() + seconds; now() < end;) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return condition();
}

}  // namespace

Program::Program(const std::vector<std::string>& arguments,
                 const std::map<std::string, std::string>& environment, const std::string& program)
    : begun_(now()) {
  output_path_ = "/tmp/pixelclip-dist-XXXXXX";
  const int output = mkstemp(output_path_.data());
  std::vector<std::string> texts = {program};
  texts.insert(texts.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (auto& text : texts) argv.push_back(text.data());
  argv.push_back(nullptr);
  process_ = fork();
  if (process_ != 0) {
    close(output);
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

Program::~Program() {
  if (process_ > 0) wait();
  unlink(output_path_.c_str());
}

std::string Program::output() const {
  std::ifstream in(output_path_);
  return {std::istreambuf_iterator<char>(in), {}};
}

bool Program::says(const std::string& text, int times) const {
  return until(20, [&] {
    const std::string all = output();
    int found = 0;
    for (size_t at = all.find(text); at != std::string::npos; at = all.find(text, at + 1)) ++found;
    return found >= times;
  });
}

Outcome Program::wait() {
  int status = 0;
  if (!until(30, [&] { return waitpid(process_, &status, WNOHANG) == process_; })) {
    kill(process_, SIGKILL);
    waitpid(process_, &status, 0);
  }
  process_ = -1;
  return {WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status), now() - begun_,
          output()};
}

std::vector<pid_t> workers_in(const std::string& output) {
  std::vector<pid_t> processes;
  std::istringstream in(output);
  for (std::string word; in >> word;) {
    if (word == "process" && in >> word) processes.push_back(std::stoi(word));
  }
  return processes;
}

bool all_gone(const std::vector<pid_t>& processes) {
  return until(3, [&] {
    for (const pid_t process : processes) {
      if (kill(process, 0) == 0) return false;
    }
    return true;
  });
}

int free_port() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  socklen_t size = sizeof(address);
  bind(fd, reinterpret_cast<sockaddr*>(&address), size);
  getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  close(fd);
  return ntohs(address.sin_port);
}

int run_launcher(const std::vector<std::string>& arguments) {
  LaunchOptions options;
  options.num_processes = std::stoi(arguments.at(0));
  options.num_machines = std::stoi(arguments.at(1));
  options.machine_rank = std::stoi(arguments.at(2));
  options.dist_url = arguments.at(3);
  options.grace_seconds = 1.5;
  options.argv = {"dist_test", "--worker"};
  options.argv.insert(options.argv.end(), arguments.begin() + 4, arguments.end());
  return launch(options);
}

}  // namespace pixelclip::testing

/// Besides running the tests, this program plays the launchers and workers that they start.
int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + std::min(argc, 2), argv + argc);
  const std::string mode = argc > 1 ? argv[1] : "";
  try {
    if (mode == "--worker") return pixelclip::testing::run_scenario(arguments);
    if (mode == "--launch") return pixelclip::testing::run_launcher(arguments);
  } catch (const std::exception& e) {
    pixelclip::log::error(e.what());
    return 1;
  }
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
