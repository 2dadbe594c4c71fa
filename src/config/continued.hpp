#pragma once

#include <optional>
#include <string>
#include <vector>

#include "config/config.hpp"

namespace pixelclip {

/// config.yaml of a resumed run.
struct ContinuedConfig {
  std::string text;  ///< the earlier file with the values of this run; unchanged if none differs
  std::vector<std::string> changes;  ///< "SOLVER.MAX_ITER: 4 → 6"
};

/// The YAML text `earlier` with the values of `config`. Keys of other programs stay; missing keys
/// are added unless they have their default. Nothing if the text has a `_BASE_`. Errors: invalid
/// YAML; `name` stands for the file.
std::optional<ContinuedConfig> continued_yaml(const Config& config, const std::string& earlier,
                                              const std::string& name);

}  // namespace pixelclip
