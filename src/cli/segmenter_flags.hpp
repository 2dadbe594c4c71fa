#pragma once

#include <CLI/CLI.hpp>

#include <memory>

#include "inference/segmenter.hpp"

namespace pixelclip::cli {

/// The flags that say how a weights file is understood: --config-file, --templates, --activation,
/// --heads, --resolution. `options` must live as long as the command.
void add_model_flags(CLI::App& command, SegmenterOptions& options);

/// The flags that say with which model words are found: --weights, --templates, --device …;
/// --window with `windows`.
std::shared_ptr<SegmenterOptions> add_segmenter_flags(CLI::App& command, bool windows = true);

/// The segmenter that the flags describe, in a process that is set up for it.
Segmenter open_segmenter(const SegmenterOptions& options);

/// "0.2" is a threshold, other texts are class names as read_names takes them.
Background read_background(const std::string& text);

}  // namespace pixelclip::cli
