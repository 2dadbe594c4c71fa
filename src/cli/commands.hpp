#pragma once

#include <CLI/CLI.hpp>

#include <string>
#include <vector>

/// Each subcommand adds itself to the program's options; its work runs when it is parsed.
namespace pixelclip::cli {

void add_compare(CLI::App& app);
void add_completion(CLI::App& app);
void add_config(CLI::App& app);
void add_convert(CLI::App& app);
void add_inspect(CLI::App& app);
void add_demo(CLI::App& app);
void add_doctor(CLI::App& app);
void add_eval(CLI::App& app);
void add_export(CLI::App& app);
void add_plot(CLI::App& app);
void add_features(CLI::App& app);
void add_masks(CLI::App& app);
void add_prepare(CLI::App& app);
void add_segment(CLI::App& app);
void add_serve(CLI::App& app);
void add_tokenize(CLI::App& app);
void add_train(CLI::App& app);
void add_tune(CLI::App& app);

/// This process's arguments, argv[0] included.
std::vector<std::string> arguments();

}  // namespace pixelclip::cli
