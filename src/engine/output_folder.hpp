#pragma once

#include <filesystem>

#include "config/config.hpp"

namespace pixelclip {

/// A run that begins anew in the folder of an earlier one: metrics.json, config.yaml and
/// TensorBoard's files get other names (metrics_1.json, config_1.yaml, events_1.*), under which
/// TensorBoard does not read them, and the log says so. Checkpoints stay. Errors: a file that
/// cannot be renamed.
void set_earlier_run_aside(const std::filesystem::path& folder);

/// Writes config.yaml. Where `goes_on`, an earlier file keeps what this program has no key for, and
/// the log names the values that change.
void record_config(const Config& config, const std::filesystem::path& folder, bool goes_on);

}  // namespace pixelclip
