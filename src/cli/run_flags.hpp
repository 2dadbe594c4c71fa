#pragma once

#include <CLI/CLI.hpp>

#include <memory>

#include "engine/run.hpp"

namespace pixelclip::cli {

/// The flags of a command that runs on ranks, and its overrides. Data of the demo that the
/// configuration names are made first.
std::shared_ptr<RunOptions> add_run_options(CLI::App& command);

/// Ends the command with `status` if that is not 0.
void end_with(int status);

}  // namespace pixelclip::cli
