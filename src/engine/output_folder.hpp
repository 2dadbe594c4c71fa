#pragma once

#include <filesystem>

#include "config/config.hpp"

namespace pixelclip {

/// For a new run in the folder of an earlier one: renames metrics.json, config.yaml and
/// TensorBoard's files (to metrics_1.json, config_1.yaml, events_1.*, which TensorBoard does not
/// read) and logs it. Checkpoints stay. Errors: a file that cannot be renamed.
void archive_earlier_run(const std::filesystem::path& folder);

/// Writes config.yaml. A `resumed` run keeps entries of the earlier file for which this program has
/// no key, and the log names the values that change.
void record_config(const Config& config, const std::filesystem::path& folder, bool resumed);

}  // namespace pixelclip
