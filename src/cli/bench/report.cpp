#include "cli/bench/report.hpp"

#include <torch/version.h>

#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/parallel.hpp"

namespace pixelclip::cli {
std::string processor() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const size_t colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos) return line.substr(colon + 2);
  }
  return "unknown processor";
}

std::string build_kind() {
#ifdef NDEBUG
  return "optimised, GCC " __VERSION__;
#else
  return "with assertions, GCC " __VERSION__;
#endif
}

void add_result_file(CLI::App& command, const std::string& flag, std::string& file,
                     const std::string& meaning) {
  command.add_option(flag, file, meaning)->check([](const std::string& path) -> std::string {
    if (path == "-") return {};
    std::error_code ignored;
    if (std::filesystem::is_directory(path, ignored)) return path + " is a folder; expected a file";
    try {
      make_writable_folder(std::filesystem::absolute(path).parent_path());
    } catch (const Error& e) {
      return e.what();
    }
    return {};
  });
}

void add_json_file(CLI::App& command, std::string& file) {
  add_result_file(command, "--json", file, "write the figures to this file, - to print them");
}

void BenchReport::add(std::string key, double value, std::string unit, std::string meaning) {
  figures_.push_back({std::move(key), std::move(unit), std::move(meaning), value});
}

void BenchReport::print() const {
  std::printf("%s on %s, %d cores; %s; LibTorch %s\n", part_.c_str(), processor().c_str(),
              available_cores(), build_kind().c_str(), TORCH_VERSION);
  for (const Figure& figure : figures_) {
    const char* form = figure.value != 0 && std::abs(figure.value) < 5e-4 ? "  %12.1e %-10s %s\n"
                                                                          : "  %12.3f %-10s %s\n";
    std::printf(form, figure.value, figure.unit.c_str(), figure.meaning.c_str());
  }
  std::fflush(stdout);
}

void BenchReport::publish(const std::string& json) const {
  nlohmann::json figures = nlohmann::json::object();
  for (const Figure& figure : figures_) {
    figures[figure.key] = {{"value", figure.value}, {"unit", figure.unit}};
  }
  const nlohmann::json all = {{"part", part_},
                              {"machine", processor()},
                              {"threads", available_cores()},
                              {"build", build_kind()},
                              {"versions", {{"torch", TORCH_VERSION}}},
                              {"figures", figures}};
  if (json == "-") {
    std::printf("%s\n", all.dump().c_str());
    return;
  }
  print();
  if (!json.empty()) write_json(json, all);
}

}  // namespace pixelclip::cli
