#pragma once

#include <optional>
#include <string>
#include <vector>

#include "config/config.hpp"

namespace pixelclip {

/// config.yaml of a run that goes on.
struct ContinuedConfig {
  std::string text;  ///< the earlier file with this run's values; as it was when none differs
  std::vector<std::string> changes;  ///< "SOLVER.MAX_ITER: 4 → 6"
};

/// The YAML text `earlier` with the values of `config`: keys of other programs stay, keys of ours
/// that it lacks are added where they are not at their default. Nothing when it is built on other
/// files (`_BASE_`). Errors: broken YAML; `name` stands for the file.
std::optional<ContinuedConfig> continued_yaml(const Config& config, const std::string& earlier,
                                              const std::string& name);

}  // namespace pixelclip
