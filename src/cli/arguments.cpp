#include <fstream>

#include "cli/commands.hpp"

namespace pixelclip::cli {

std::vector<std::string> arguments() {
  std::vector<std::string> all;
  std::ifstream file("/proc/self/cmdline", std::ios::binary);
  for (std::string argument; std::getline(file, argument, '\0');) all.push_back(argument);
  return all;
}

}  // namespace pixelclip::cli
