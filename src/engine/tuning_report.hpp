#pragma once

#include <filesystem>
#include <string>

#include "engine/tuning.hpp"

namespace pixelclip {

/// FOLDER/tuned.yaml with `config_file` as _BASE_ and the chosen keys; tuning.json and tuning.md
/// with the trials; and write_comparison() of the rest.
void write_tuning(const std::filesystem::path& folder, const std::filesystem::path& config_file,
                  const TuningResult& result);

/// The outcome in one sentence.
std::string outcome(const TuningResult& result);

}  // namespace pixelclip
