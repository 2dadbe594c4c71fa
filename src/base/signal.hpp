#pragma once

#include <functional>
#include <list>
#include <string>

/// Handling of SIGINT, SIGTERM, SIGUSR1 and SIGHUP. Work that checks `stop_requested` ends by
/// itself; `end_when_late` ends a process that does not. The state is one for the process.
namespace pixelclip::signals {

/// Makes these signals request a clean stop instead of ending the process. A second SIGINT ends it
/// at once. SIGHUP stays ignored under nohup.
void install();

/// Calls `install` and starts a thread that ends the process if it still runs a second after the
/// signal, with the status of `exit_status`. The message names the signal and the innermost
/// `Doing`. Unfinished files of `write_atomically` are removed. The thread waits while a `Patience`
/// exists.
void end_when_late();

/// The number of the signal that requested a stop, or 0.
int stop_requested();

/// The next signal that arrived and was not taken yet; 0 when there is none. For a process that
/// forwards signals.
int take();

/// "SIGTERM" for its number.
std::string name_of(int number);

/// 128 + the number of the signal that requested a stop; `otherwise` without such a signal or after
/// `saved`.
int exit_status(int otherwise);

/// Declares that all state is on disk, so that a stop is not a failure.
void saved();

/// Names what the process does during the lifetime of the object, for the message "stopped by
/// SIGTERM while …". The innermost one is used.
class Doing {
 public:
  explicit Doing(std::string what);
  ~Doing();
  Doing(const Doing&) = delete;
  Doing& operator=(const Doing&) = delete;

 private:
  std::list<std::string>::iterator place_;
};

/// Keeps the process alive after a signal during the lifetime of the object, since it has state to
/// save. `first`, what is done before the end, is logged when the signal comes, unless empty.
class Patience {
 public:
  explicit Patience(std::string first);
  ~Patience();
  Patience(const Patience&) = delete;
  Patience& operator=(const Patience&) = delete;

 private:
  std::list<std::string>::iterator place_;
};

/// Sets a function that gets the message just before `end_when_late` ends the process. It runs on a
/// thread of its own and has half a second. An empty function removes the last one.
void before_end(std::function<void(const std::string&)> tell);

}  // namespace pixelclip::signals
