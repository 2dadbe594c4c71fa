#pragma once

#include <CLI/CLI.hpp>

namespace pixelclip::cli {

/// Time and quality of the two k-means of MODEL.DINO_KMEANS.
void add_bench_kmeans(CLI::App& bench);

}  // namespace pixelclip::cli
