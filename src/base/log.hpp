#pragma once

#include <filesystem>
#include <string>

#include "base/error.hpp"

/// The log of the process: standard error, and any files added. Thread-safe.
namespace pixelclip::log {

enum class Level { debug, info, warning, error };

void write(Level level, const std::string& text);

template <typename... Args>
void debug(const Args&... args) {
  write(Level::debug, pixelclip::str(args...));
}
template <typename... Args>
void info(const Args&... args) {
  write(Level::info, pixelclip::str(args...));
}
template <typename... Args>
void warn(const Args&... args) {
  write(Level::warning, pixelclip::str(args...));
}
template <typename... Args>
void error(const Args&... args) {
  write(Level::error, pixelclip::str(args...));
}

/// Also appends all further lines to `path`. Errors: the file cannot be opened.
void add_file(const std::filesystem::path& path);

/// Ranks other than 0 print only warnings and errors, each with its rank.
void set_rank(int rank);

/// Shows `text` as the live line at the bottom of the terminal; does nothing if standard error is
/// not a terminal. An empty text clears the line. Log lines are printed above it.
void progress(const std::string& text);

}  // namespace pixelclip::log
