#include "base/signal.hpp"

#include <semaphore.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <future>
#include <mutex>
#include <thread>

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/unfinished.hpp"

namespace pixelclip::signals {
namespace {

using Clock = std::chrono::steady_clock;

struct Signal {
  int number;
  const char* name;
};
constexpr std::array kSignals = {Signal{SIGINT, "SIGINT"}, Signal{SIGTERM, "SIGTERM"},
                                 Signal{SIGUSR1, "SIGUSR1"}, Signal{SIGHUP, "SIGHUP"}};
// Time for the work to end by itself, and for the message; together below two seconds.
constexpr auto kGrace = std::chrono::milliseconds(1000);
constexpr auto kMessageTime = std::chrono::milliseconds(500);
constexpr auto kWatcherTurn = std::chrono::milliseconds(50);

std::atomic<int> requested{0};
std::array<std::atomic<int>, kSignals.size()> arrived{}, taken{};
std::atomic<bool> state_saved{false};
sem_t wake;  // a handler may post a semaphore, but not notify a condition variable

struct Present {
  std::mutex mutex;
  std::list<std::string> doing, patience;
  std::function<void(const std::string&)> tell;
};

/// Never destroyed: the thread may use it while `exit` runs.
Present& present() {
  static Present& instance = *new Present;
  return instance;
}

void on_signal(int number) {
  const int error = errno;
  if (number == SIGINT && requested.load() == SIGINT) {
    signal(SIGINT, SIG_DFL);
    raise(SIGINT);
  }
  requested.store(number);
  for (size_t i = 0; i < kSignals.size(); ++i) {
    if (kSignals[i].number == number) ++arrived[i];
  }
  sem_post(&wake);
  errno = error;
}

/// Whether a Patience exists; its text is logged once.
bool has_patience(bool& logged) {
  std::string first;
  {
    const std::lock_guard lock(present().mutex);
    if (present().patience.empty()) return false;
    if (!logged) first = present().patience.back();
  }
  if (!first.empty()) {
    logged = true;
    log::info(name_of(stop_requested()), ": ", first);
  }
  return true;
}

/// The work or the log may hang, so the message is written by a thread of its own, which gets no
/// more than `kMessageTime`.
[[noreturn]] void end_process() {
  std::string text = "stopped by " + name_of(stop_requested());
  std::function<void(const std::string&)> tell;
  {
    const std::lock_guard lock(present().mutex);
    if (!present().doing.empty()) text += " while " + present().doing.back();
    tell = present().tell;
  }
  const auto told = std::make_shared<std::promise<void>>();
  auto done = told->get_future();
  std::thread([told, text, tell] {
    log::progress("");
    log::warn(text);
    remove_unfinished();
    if (tell) tell(text);
    told->set_value();
  }).detach();
  done.wait_for(kMessageTime);
  _exit(exit_status(0));
}

[[noreturn]] void watch() {
  while (stop_requested() == 0) sem_wait(&wake);
  bool logged = false;
  for (auto since = Clock::now(); Clock::now() - since < kGrace;) {
    std::this_thread::sleep_for(kWatcherTurn);
    if (has_patience(logged)) since = Clock::now();
  }
  end_process();
}

void block_all_signals() {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, nullptr);
}

std::list<std::string>::iterator add(std::list<std::string>& list, std::string text) {
  const std::lock_guard lock(present().mutex);
  return list.insert(list.end(), std::move(text));
}

void remove(std::list<std::string>& list, std::list<std::string>::iterator place) {
  const std::lock_guard lock(present().mutex);
  list.erase(place);
}

}  // namespace

void install() {
  static std::once_flag once;
  std::call_once(once, [] { sem_init(&wake, 0, 0); });
  struct sigaction action {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;
  for (const int number : {SIGINT, SIGTERM, SIGUSR1}) sigaction(number, &action, nullptr);
  struct sigaction hangup {};
  sigaction(SIGHUP, nullptr, &hangup);
  if (hangup.sa_handler != SIG_IGN) sigaction(SIGHUP, &action, nullptr);
  signal(SIGXFSZ, SIG_IGN);  // the write fails with an error instead
}

void end_when_late() {
  install();
  std::thread([] {
    block_all_signals();  // a handler here would interrupt nobody's system call
    watch();
  }).detach();
}

int stop_requested() { return requested.load(); }

int take() {
  for (size_t i = 0; i < kSignals.size(); ++i) {
    if (taken[i].load() == arrived[i].load()) continue;
    ++taken[i];
    return kSignals[i].number;
  }
  return 0;
}

std::string name_of(int number) {
  for (const Signal& known : kSignals) {
    if (known.number == number) return known.name;
  }
  return str("signal ", number);
}

int exit_status(int otherwise) {
  const int number = stop_requested();
  return number == 0 || state_saved ? otherwise : 128 + number;
}

void saved() { state_saved = true; }

Doing::Doing(std::string what) : place_(add(present().doing, std::move(what))) {}
Doing::~Doing() { remove(present().doing, place_); }

Patience::Patience(std::string first) : place_(add(present().patience, std::move(first))) {}
Patience::~Patience() { remove(present().patience, place_); }

void before_end(std::function<void(const std::string&)> tell) {
  const std::lock_guard lock(present().mutex);
  present().tell = std::move(tell);
}

}  // namespace pixelclip::signals
