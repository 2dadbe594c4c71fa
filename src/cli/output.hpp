#pragma once

#include <CLI/CLI.hpp>

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>

namespace pixelclip::cli {

/// How a command reports, the same for all: messages and progress go to standard error, --quiet
/// leaves only warnings and errors of them; results go to standard output, with --json each as one
/// line of JSON.
class Output {
 public:
  Output() = default;
  ~Output();
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  /// Prints `value` with --json, else `text`.
  void result(const nlohmann::json& value, const std::string& text = "") const;
  bool json() const { return json_; }

 private:
  friend std::shared_ptr<Output> add_output_flags(CLI::App& command);
  friend std::shared_ptr<Output> add_quiet_flag(CLI::App& command);
  bool json_ = false, quiet_ = false;
};

/// Adds --quiet and --json. The result is filled when the command is parsed and must live while it
/// works.
std::shared_ptr<Output> add_output_flags(CLI::App& command);
/// --quiet alone, for a command with a --json of its own.
std::shared_ptr<Output> add_quiet_flag(CLI::App& command);

}  // namespace pixelclip::cli
