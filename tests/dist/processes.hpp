#pragma once

#include <string>
#include <vector>

#include "support/program.hpp"

namespace pixelclip::testing {

/// The work of one worker, by name; what the tests' launchers start. Returns its exit status.
int run_scenario(const std::vector<std::string>& arguments);
/// Launches "processes machines machine_rank url scenario ...".
int run_launcher(const std::vector<std::string>& arguments);

}  // namespace pixelclip::testing
