#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace pixelclip::cli {

/// Seconds of a clock that never goes back.
double now();

/// The processor's name, and how the program was compiled.
std::string processor();
std::string build_kind();

/// The figures of one benchmark: a table for people, and with a file the same for programs, headed
/// by the machine, its cores, the build and the versions.
class BenchReport {
 public:
  explicit BenchReport(std::string part) : part_(std::move(part)) {}

  void add(std::string key, double value, std::string unit, std::string meaning);
  /// To standard output.
  void print() const;
  /// {"part", "machine", "threads", "build", "versions", "figures": {key: {value, unit}}}; an empty
  /// path writes nothing.
  void write(const std::filesystem::path& file) const;

 private:
  struct Figure {
    std::string key, unit, meaning;
    double value;
  };
  std::string part_;
  std::vector<Figure> figures_;
};

}  // namespace pixelclip::cli
