#pragma once

#include <CLI/CLI.hpp>

namespace pixelclip::cli {

/// Time to embed class names.
void add_bench_text(CLI::App& bench);

}  // namespace pixelclip::cli
