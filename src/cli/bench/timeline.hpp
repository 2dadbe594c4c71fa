#pragma once

#include <filesystem>
#include <functional>

namespace pixelclip::cli {

/// Calls `work` and writes when each operation of LibTorch, and each kernel of a GPU, ran: a trace
/// in Chrome's format, for chrome://tracing or ui.perfetto.dev. Errors: the file cannot be written.
void write_timeline(const std::filesystem::path& path, bool gpu, const std::function<void()>& work);

}  // namespace pixelclip::cli
