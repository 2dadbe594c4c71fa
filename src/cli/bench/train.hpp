#pragma once

#include <CLI/CLI.hpp>

namespace pixelclip::cli {

/// Time of a training step, by part.
void add_bench_train(CLI::App& bench);

}  // namespace pixelclip::cli
