#include "dist/processes.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/signal.hpp"
#include "dist/launch.hpp"

namespace pixelclip::testing {

int run_launcher(const std::vector<std::string>& arguments) {
  LaunchOptions options;
  options.num_processes = std::stoi(arguments.at(0));
  options.num_machines = std::stoi(arguments.at(1));
  options.machine_rank = std::stoi(arguments.at(2));
  options.dist_url = arguments.at(3);
  options.grace_seconds = 1.5;
  options.argv = {"dist_test", "--worker"};
  options.argv.insert(options.argv.end(), arguments.begin() + 4, arguments.end());
  return launch(options);
}

}  // namespace pixelclip::testing

/// Besides running the tests, this program plays the launchers and workers that they start.
int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + std::min(argc, 2), argv + argc);
  const std::string mode = argc > 1 ? argv[1] : "";
  if (mode == "--worker" || mode == "--launch") pixelclip::signals::end_when_late();
  try {
    if (mode == "--worker") return pixelclip::testing::run_scenario(arguments);
    if (mode == "--launch") return pixelclip::testing::run_launcher(arguments);
  } catch (const std::exception& e) {
    pixelclip::log::error(e.what());
    return pixelclip::signals::exit_status(1);
  }
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
