#pragma once

#include <CLI/CLI.hpp>

namespace pixelclip::cli {

/// Throughput of the image encoders on the CPU.
void add_bench_encoder(CLI::App& bench);

}  // namespace pixelclip::cli
