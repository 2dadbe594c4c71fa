#pragma once

#include <functional>
#include <list>
#include <string>

/// SIGINT, SIGTERM, SIGUSR1 and SIGHUP: work that looks at `stop_requested` ends by itself, and
/// what does not is ended by `end_when_late`.
namespace pixelclip::signals {

/// From now on these signals (SIGHUP not under nohup, which asks to ignore it) ask for a clean stop
/// instead of ending the process; a second SIGINT ends it at once.
void install();

/// Beside `install`: a thread ends the process when it still runs a second after the signal, with
/// the exit status that `exit_status` gives and a message that names the signal and what the
/// process was `Doing`. Files that `write_atomically` had begun are removed. While a `Patience`
/// lives the thread waits.
void end_when_late();

/// The number of the signal that asked for a stop, or 0.
int stop_requested();

/// The number of each signal that arrived, once for each call of the handler; 0 when there is no
/// more. For a process that hands signals on.
int take();

/// "SIGTERM" for its number.
std::string name_of(int number);

/// 128 + the number of the signal that asked for a stop, unless the state was `saved`; else
/// `otherwise`.
int exit_status(int otherwise);

/// What the process had to lose is on the disk: a stop is no failure.
void saved();

/// What the process does while one lives, in words that follow "while". The innermost counts.
class Doing {
 public:
  explicit Doing(std::string what);
  ~Doing();
  Doing(const Doing&) = delete;
  Doing& operator=(const Doing&) = delete;

 private:
  std::list<std::string>::iterator place_;
};

/// While one lives the process may take its time after a signal, because it has something to save.
/// What it will do first is logged when the signal comes; an empty text logs nothing.
class Patience {
 public:
  explicit Patience(std::string first);
  ~Patience();
  Patience(const Patience&) = delete;
  Patience& operator=(const Patience&) = delete;

 private:
  std::list<std::string>::iterator place_;
};

/// `tell` gets the message just before the thread of `end_when_late` ends the process, for half a
/// second at most; it runs on another thread. An empty function takes the last one back.
void before_end(std::function<void(const std::string&)> tell);

}  // namespace pixelclip::signals
