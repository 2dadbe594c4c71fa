#include "pixelclip/base/signal.hpp"

#include <signal.h>

#include <atomic>

namespace pixelclip::signals {
namespace {

std::atomic<int> requested{0};

void on_signal(int number) {
  if (number == SIGINT && requested.load() == SIGINT) {
    signal(SIGINT, SIG_DFL);
    raise(SIGINT);
  }
  requested.store(number);
}

}  // namespace

void install() {
  struct sigaction action {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;
  for (const int number : {SIGINT, SIGTERM, SIGUSR1}) sigaction(number, &action, nullptr);
  struct sigaction hangup {};
  sigaction(SIGHUP, nullptr, &hangup);
  if (hangup.sa_handler != SIG_IGN) sigaction(SIGHUP, &action, nullptr);  // nohup asks to ignore it
  signal(SIGXFSZ, SIG_IGN);  // a file that may not grow is an error of its write
}

int stop_requested() { return requested.load(); }

}  // namespace pixelclip::signals
