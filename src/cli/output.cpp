#include "cli/output.hpp"

#include <iostream>
#include <nlohmann/json.hpp>

#include "base/log_level.hpp"

namespace pixelclip::cli {

void Output::result(const nlohmann::json& value, const std::string& text) const {
  constexpr int kOneLine = -1;
  if (json_) {
    // File names need not be UTF-8.
    std::cout << value.dump(kOneLine, ' ', false, nlohmann::json::error_handler_t::replace) << '\n';
  } else {
    std::cout << text;
  }
  std::cout.flush();
}

Output::~Output() {
  if (quiet_) log::set_quiet(false);
}

std::shared_ptr<Output> add_quiet_flag(CLI::App& command) {
  auto output = std::make_shared<Output>();
  command.add_flag_callback(
      "--quiet",
      [output] {
        output->quiet_ = true;
        log::set_quiet(true);
      },
      "log only warnings and errors");
  return output;
}

std::shared_ptr<Output> add_output_flags(CLI::App& command) {
  auto output = add_quiet_flag(command);
  command.add_flag("--json", output->json_, "print results as JSON, one a line");
  return output;
}

}  // namespace pixelclip::cli
