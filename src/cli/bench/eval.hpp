#pragma once

#include <CLI/CLI.hpp>

namespace pixelclip::cli {

/// Scoring a test set, compared with plain LibTorch operations.
void add_bench_eval(CLI::App& bench);

}  // namespace pixelclip::cli
