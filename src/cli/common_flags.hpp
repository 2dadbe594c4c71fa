#pragma once

#include <CLI/CLI.hpp>

#include <string>
#include <vector>

namespace pixelclip::cli {

// Flags that several commands share.

/// INPUT, as find_inputs() takes it.
void add_inputs(CLI::App& command, std::vector<std::string>& inputs, bool videos = false);
/// --names, as read_names() takes it.
CLI::Option* add_names(CLI::App& command, std::string& names);
/// --device.
void add_device(CLI::App& command, std::string& device);

}  // namespace pixelclip::cli
