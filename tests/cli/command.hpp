#pragma once

#include <CLI/CLI.hpp>

#include <functional>
#include <string>
#include <vector>

#include "support/tiny_clip.hpp"

namespace pixelclip::testing {

/// What a command did: the Error it ended with, and what it wrote to standard output and error.
struct Outcome {
  std::string error, out, log;
};

/// Runs one subcommand in this process, as the program would.
inline Outcome run_command(void (*add)(CLI::App&), const std::vector<std::string>& arguments) {
  CLI::App app("pixelclip");
  add(app);
  std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
  Outcome outcome;
  ::testing::internal::CaptureStdout();
  ::testing::internal::CaptureStderr();
  try {
    app.parse(reversed);
  } catch (const std::exception& e) {
    outcome.error = e.what();
  }
  outcome.out = ::testing::internal::GetCapturedStdout();
  outcome.log = ::testing::internal::GetCapturedStderr();
  return outcome;
}

}  // namespace pixelclip::testing
