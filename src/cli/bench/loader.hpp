#pragma once

#include <CLI/CLI.hpp>

namespace pixelclip::cli {

/// Time to make training samples, by part.
void add_bench_loader(CLI::App& bench);

}  // namespace pixelclip::cli
