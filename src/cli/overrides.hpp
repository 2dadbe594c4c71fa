#pragma once

#include <CLI/CLI.hpp>

#include <string>
#include <vector>

namespace pixelclip::cli {

/// Lets a command end in KEY VALUE KEY VALUE …; `overrides` holds them when its callback runs. They
/// are taken as they stand: as a positional option, CLI11 would take [640, 640] apart.
inline void add_overrides(CLI::App& command, std::vector<std::string>& overrides) {
  command.allow_extras();
  command.footer(
      "KEY VALUE KEY VALUE … after the options override the configuration, for example\n"
      "SOLVER.MAX_ITER 500 INPUT.CROP.SIZE '(320, 320)'.");
  command.parse_complete_callback([&command, &overrides] {
    overrides = command.remaining();
    for (const auto& word : overrides) {
      if (word.rfind("--", 0) == 0) throw CLI::ExtrasError(command.get_name(), {word});
    }
  });
}

}  // namespace pixelclip::cli
