#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace pixelclip::cli {

/// The processor's name, and how the program was compiled.
std::string processor();
std::string build_kind();

/// An option that names a file for results, whose folder must be writable before any is measured.
void add_result_file(CLI::App& command, const std::string& flag, std::string& file,
                     const std::string& meaning);
/// --json FILE, for BenchReport::publish.
void add_json_file(CLI::App& command, std::string& file);

/// Results of one benchmark: printed as a table and written as JSON, with the machine, its cores,
/// the build and the versions.
class BenchReport {
 public:
  explicit BenchReport(std::string part) : part_(std::move(part)) {}

  void add(std::string key, double value, std::string unit, std::string meaning);
  /// Prints the table, and writes {"part", "machine", "threads", "build", "versions", "figures":
  /// {key: {value, unit}}} to the file `json`. "-" prints that instead of the table; an empty text
  /// writes nothing.
  void publish(const std::string& json) const;

 private:
  void print() const;
  struct Figure {
    std::string key, unit, meaning;
    double value;
  };
  std::string part_;
  std::vector<Figure> figures_;
};

}  // namespace pixelclip::cli
